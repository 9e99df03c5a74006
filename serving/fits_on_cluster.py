"""A cluster's address -> training whose fits of folds and candidates its workers do.

joblib hands each fit to Dask; what is fitted is the same to the byte. A scheduler that goes away
ends the wait: OutsideError, exit 4, and nothing was registered.
"""

from __future__ import annotations

import _thread
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import joblib

from data.errors import OutsideError
from serving.cluster import open_cluster

GONE_SECONDS: Final = 30.0
"""How long a scheduler may be silent; it is asked all the time."""


@contextmanager
def fits_on(
    address: str | None,
    *,
    workers: int,
    allow: Sequence[str] = (),
    gone_after: float = GONE_SECONDS,
) -> Iterator[None]:
    """Let the workers of a cluster do the fits of what runs inside; None: threads here do them.

    InputError where `allow` does not name its host. OutsideError where no scheduler answers, no
    worker comes, or it goes away.
    """
    if address is None:
        yield
        return
    with open_cluster(address, workers=workers, allow=allow) as client:
        watch = SchedulerWatch(client, gone_after)
        watch.start()
        try:
            with joblib.parallel_config("dask", client=client, wait_for_workers_timeout=gone_after):
                yield
        except KeyboardInterrupt:
            if watch.gone:
                raise _lost(address, "it went away") from None
            raise
        except (TimeoutError, OSError) as error:
            raise _lost(address, str(error).partition("\n")[0][:200]) from None
        except Exception as error:
            if type(error).__module__.partition(".")[0] not in ("distributed", "dask"):
                raise
            raise _lost(address, str(error).partition("\n")[0][:200]) from None
        finally:
            watch.stop()


def _lost(address: str, why: str) -> OutsideError:
    return OutsideError(
        f"the Dask cluster at {address} did not finish the fits: {why or 'no answer'}",
        cure="start it again, or leave --cluster out; nothing was registered",
    )


class SchedulerWatch(threading.Thread):
    """Interrupts the main thread where a client has lost its scheduler for too long."""

    def __init__(self, client: Any, gone_after: float) -> None:
        """Watch this client."""
        super().__init__(name="scheduler watch", daemon=True)
        self.gone = False
        self._client, self._gone_after = client, gone_after
        self._over = threading.Event()

    def run(self) -> None:
        """Look once in a while; a client that runs has its scheduler."""
        seen = time.monotonic()
        while not self._over.wait(min(0.5, self._gone_after / 4)):
            if self._client.status == "running":
                seen = time.monotonic()
            elif time.monotonic() - seen > self._gone_after:
                self.gone = True
                _thread.interrupt_main()
                return

    def stop(self) -> None:
        """Stop watching."""
        self._over.set()
