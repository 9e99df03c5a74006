"""One request to a CRM -> its answer, within the rate budget and with patience."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_exponential, wait_random

from serving.crm.seam import Busy, Unsure
from serving.writeback.send import Budget, Patience

_T = TypeVar("_T")


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
            wait=self._wait,
            sleep=self._sleep,
            reraise=True,
        )(once)

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, Busy) and error.retry_after is not None:
            return max(error.retry_after, 0.0)
        first, longest = self._patience.first_wait_s, self._patience.longest_wait_s
        return (wait_exponential(multiplier=first, max=longest) + wait_random(0.0, first))(state)
