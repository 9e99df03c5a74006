"""SIGTERM and SIGINT -> a request to stop, followed between batches, or an interruption."""

from __future__ import annotations

import signal
import threading
from types import TracebackType
from typing import Any, Self


class Stop:
    """Listens for SIGTERM and SIGINT while it is open; a signal ends a sleep early."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._come)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _come(self, *_: object) -> None:
        self._event.set()

    def asked(self) -> bool:
        """Tell whether a signal came."""
        return self._event.is_set()

    def sleep(self, seconds: float) -> None:
        """Sleep, or wake up when asked to stop."""
        self._event.wait(seconds)


class Interrupt(Stop):
    """Turns the first signal into KeyboardInterrupt; once it is `over`, signals change nothing."""

    over = False

    def _come(self, *_: object) -> None:
        if not self.over:
            self.over = True
            raise KeyboardInterrupt
