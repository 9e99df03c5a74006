"""SIGTERM and SIGINT -> a request to stop, followed between batches, or an interruption."""

from __future__ import annotations

import signal
import sys
import threading
from types import TracebackType
from typing import Any, Final, Self

_ANEW_S: Final = 0.05


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
    """Turns the first signal into KeyboardInterrupt; once it is `over`, signals change nothing.

    A signal that comes before `begin` waits for it: what is half imported can't be imported again.
    One that falls where Python lets no exception out (the callback of a weak reference, `__del__`)
    is raised anew a moment later.
    """

    over = False
    _begun = False

    def __enter__(self) -> Self:
        self._report, sys.unraisablehook = sys.unraisablehook, self._unraisable
        return super().__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, trace)
        sys.unraisablehook = self._report

    def begin(self) -> None:
        """Raise KeyboardInterrupt from now on, and at once where a signal has come."""
        self._begun = True
        if self.asked():
            self._raise()

    def _come(self, *_: object) -> None:
        super()._come()
        if self._begun:
            self._raise()

    def _raise(self) -> None:
        if not self.over:
            self.over = True
            raise KeyboardInterrupt

    def _unraisable(self, lost: sys.UnraisableHookArgs) -> None:
        if lost.exc_type is not KeyboardInterrupt:
            self._report(lost)
            return
        self.over = False
        main = threading.main_thread().ident or 0
        again = threading.Timer(_ANEW_S, signal.pthread_kill, (main, signal.SIGTERM))
        again.daemon = True
        again.start()
