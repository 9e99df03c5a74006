"""An address -> a client of a Dask cluster: one on this machine, or one that runs already.

Every wait ends: a scheduler that does not answer, or goes away, is an OutsideError of one line.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from data.errors import InputError, OutsideError
from data.network import require_allowed

if TYPE_CHECKING:
    import distributed

LOCAL: Final = "local"
CONNECT_SECONDS: Final = 30
CLOSE_SECONDS: Final = 5


@contextmanager
def open_cluster(
    address: str, *, workers: int, allow: Sequence[str] = ()
) -> Iterator[distributed.Client]:
    """Connect to the scheduler at an address; "local" starts `workers` processes here.

    InputError where [network] `allow` does not name its host: it is sent data of leads, and what it
    answers is unpickled; also where the extra is not installed. OutsideError where nothing answers.
    """
    if address != LOCAL:
        require_allowed(address if "://" in address else f"tcp://{address}", allow)
    try:
        import distributed
    except ImportError:
        raise InputError(
            "a cluster needs the packages dask and distributed",
            cure="pip install 'leadscore[scale]'",
        ) from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # one line says what went wrong
    with tempfile.TemporaryDirectory(prefix="leadscore-dask-") as scratch:
        cluster = _start(distributed, workers, scratch) if address == LOCAL else None
        client = None
        try:
            client = _connect(distributed, address if cluster is None else cluster)
            yield client
        finally:
            if client is not None:
                with suppress(Exception):  # the scheduler may be gone
                    client.close(timeout=CLOSE_SECONDS)
            if cluster is not None:
                with suppress(Exception):
                    cluster.close(timeout=CLOSE_SECONDS)


def _start(distributed: Any, workers: int, scratch: str) -> Any:
    """Start a scheduler here with worker processes, without a dashboard and a memory limit."""
    try:
        return distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            protocol="tls://",
            security=True,  # keys of this run alone: other users of the machine run nothing here
            dashboard_address="127.0.0.1:0",  # None would take a fixed port, or warn
            scheduler_kwargs={"dashboard": False},
            memory_limit=0,
            local_directory=scratch,
            silence_logs=logging.CRITICAL,
        )
    except (OSError, TimeoutError, RuntimeError) as error:
        raise OutsideError(f"no Dask cluster starts on this machine: {_line(error)}") from None


def _connect(distributed: Any, address: Any) -> Any:
    try:
        return distributed.Client(address, timeout=CONNECT_SECONDS)
    except (OSError, TimeoutError, ValueError, TypeError, RuntimeError, ImportError) as error:
        raise OutsideError(
            f"no Dask scheduler answers at {address}: {_line(error)}",
            cure="start it (dask scheduler), or give --cluster local",
        ) from None


def _line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
