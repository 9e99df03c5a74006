"""One request to a CRM -> its answer, within the rate budget and with patience."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_exponential, wait_random

from serving.crm.seam import Busy, Unsure

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to try, and when to stop: attempts per batch, seconds, share of rejected rows."""

    tries: int = 6
    first_wait_s: float = 0.5
    longest_wait_s: float = 30.0
    lease_s: float = 30.0
    lease_wait_s: float = 60.0
    breaker_share: float = 0.05
    breaker_least: int = 10

    def wait(self, state: RetryCallState) -> float:
        """Give the seconds before the next attempt: as the CRM says, else growing and jittered."""
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, Busy) and error.retry_after is not None:
            return max(error.retry_after, 0.0)
        first, longest = self.first_wait_s, self.longest_wait_s
        return (wait_exponential(multiplier=first, max=longest) + wait_random(0.0, first))(state)


class Budget:
    """One rate budget for all requests to a CRM: evenly spaced, never above the limit."""

    def __init__(self, per_second: float | None, sleep: Callable[[float], None]) -> None:
        self._gap = 1.0 / per_second if per_second else 0.0
        self._next, self._sleep = 0.0, sleep

    def wait(self) -> None:
        """Wait for the next slot."""
        now = time.monotonic()
        if self._next > now:
            self._sleep(self._next - now)
        self._next = max(now, self._next) + self._gap


class Asker:
    """Asks a CRM to read: evenly spaced, again after a growing wait, or as long as it says.

    Reading twice changes nothing, so an answer that never came is simply asked for again.
    """

    def __init__(
        self,
        per_second: float | None,
        *,
        patience: Patience | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._budget = Budget(per_second, sleep)
        self._patience, self._sleep = patience or Patience(), sleep

    def __call__(self, ask: Callable[[], _T]) -> _T:
        """Ask until there is an answer; the last `CrmError` where patience ends."""

        def once() -> _T:
            self._budget.wait()
            return ask()

        return Retrying(
            retry=retry_if_exception_type((Busy, Unsure)),
            stop=stop_after_attempt(self._patience.tries),
            wait=self._patience.wait,
            sleep=self._sleep,
            reraise=True,
        )(once)
