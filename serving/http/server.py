"""Uvicorn with a limit on how long a client may take for its request line and headers."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Callable
from typing import Any, ClassVar

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from data.errors import OutsideError


class HeaderTimeoutProtocol(H11Protocol):
    """Closes a connection whose headers do not come in time: slow clients hold no connections."""

    header_seconds: ClassVar[float] = 10.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock with the connection."""
        super().connection_made(transport)
        self._wait_for_headers()

    def on_response_complete(self) -> None:
        """Start the clock again for the next request of a kept connection."""
        super().on_response_complete()
        self._header_timer.cancel()
        self._wait_for_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock with the connection."""
        self._header_timer.cancel()
        super().connection_lost(exc)

    def _wait_for_headers(self) -> None:
        self._header_timer = self.loop.call_later(self.header_seconds, self._give_up)

    def _give_up(self) -> None:
        answering = self.cycle is not None and not self.cycle.response_complete
        if not answering and not self.transport.is_closing():
            self.transport.close()


def serve(
    app: Any, *, host: str, port: int, on_listening: Callable[[], None] = lambda: None
) -> None:
    """Serve until SIGTERM; open requests are finished first.

    OutsideError where nobody may listen at that address: another program does, as a rule.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise OutsideError(
            f"cannot listen at {host}:{port}: {error.strerror or error}", cure="give another --port"
        ) from None
    config = uvicorn.Config(
        app,
        http=HeaderTimeoutProtocol,
        access_log=False,  # addresses hold lead ids
        log_level="warning",
        timeout_keep_alive=5,
        timeout_graceful_shutdown=10,
        limit_concurrency=1000,
        h11_max_incomplete_event_size=16_384,
        server_header=False,
        proxy_headers=False,  # whose headers are believed is said in the project file
    )
    on_listening()
    gc.freeze()  # what is loaded by now stays: garbage collection skips it
    try:
        with listening:
            uvicorn.Server(config).run(sockets=[listening])
    finally:
        gc.unfreeze()  # DuckDB would tell of each object that is left at the end
