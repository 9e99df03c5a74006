"""A request to a CRM -> its answer: within the rate limit, tried again where the CRM is busy."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_exponential, wait_random

from serving.crm.interface import Busy, Unsure

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often to try, how long to wait, how many rejected rows end a run.

    `tries` are per batch; names in `_s` are seconds; `breaker_share` is a share of the rows sent.
    """

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


class RateLimit:
    """The rate limit for all requests to a CRM: they are spaced evenly."""

    def __init__(self, per_second: float | None, sleep: Callable[[float], None]) -> None:
        self._gap = 1.0 / per_second if per_second else 0.0
        self._next, self._sleep = 0.0, sleep

    def wait(self) -> None:
        """Wait for the next slot."""
        now = time.monotonic()
        if self._next > now:
            self._sleep(self._next - now)
        self._next = max(now, self._next) + self._gap


class RetryingCall:
    """Makes read requests within the rate limit and repeats those that got no answer.

    It waits as long as the CRM says, else longer each time. Reading twice changes nothing, so a
    request without an answer is simply made again.
    """

    def __init__(
        self,
        per_second: float | None,
        *,
        policy: RetryPolicy | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate_limit = RateLimit(per_second, sleep)
        self._policy, self._sleep = policy or RetryPolicy(), sleep

    def __call__(self, request: Callable[[], _T]) -> _T:
        """Make the request until it is answered; raise the last `CrmError` after the last try."""

        def once() -> _T:
            self._rate_limit.wait()
            return request()

        return Retrying(
            retry=retry_if_exception_type((Busy, Unsure)),
            stop=stop_after_attempt(self._policy.tries),
            wait=self._policy.wait,
            sleep=self._sleep,
            reraise=True,
        )(once)
