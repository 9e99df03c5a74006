"""Requests to an ASGI application, byte for byte, with the processor time of its main thread."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from serving.http.guard import App


@dataclass(frozen=True, slots=True)
class RawRequest:
    """What a client sends; header names as bytes, so that they may be odd."""

    method: str
    path: str
    query: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""


@dataclass(slots=True)
class Attacked:
    """What came of many requests: statuses, crashes, the longest turn of the main thread."""

    statuses: dict[int, int] = field(default_factory=dict)
    crashes: list[str] = field(default_factory=list)
    longest_s: float = 0.0
    longest_by: str = ""


async def _ask(app: App, request: RawRequest) -> int:
    status = 0
    sent = False

    async def receive() -> dict[str, Any]:
        nonlocal sent
        if sent:
            return {"type": "http.disconnect"}
        sent = True
        return {"type": "http.request", "body": request.body, "more_body": False}

    async def send(message: Any) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": request.path,
        "raw_path": request.path.encode("utf-8", "surrogatepass"),
        "query_string": request.query,
        "headers": [*request.headers],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
    }
    await app(scope, receive, send)
    return status


def attack(app: App, requests: Iterable[RawRequest]) -> Attacked:
    """Send requests one after the other; an answer 500, none at all or an exception is a crash."""
    found = Attacked()

    async def all_of_them(turns: list[float]) -> None:
        for request in requests:
            await asyncio.sleep(0)
            turns.clear()
            try:
                status = await _ask(app, request)
            except Exception as error:
                status = 0
                found.crashes.append(f"{type(error).__name__}: {request.method} {request.path}")
            await asyncio.sleep(0)  # now the turn that answered is over, and noted
            found.statuses[status] = found.statuses.get(status, 0) + 1
            if status in (0, 500):
                found.crashes.append(f"{status}: {request.method} {request.path[:60]!r}")
            longest = max(turns, default=0.0)
            if longest > found.longest_s:
                found.longest_s = longest
                found.longest_by = f"{request.method} {request.path[:40]!r} {len(request.body)} B"

    with turns_timed() as turns:
        asyncio.run(all_of_them(turns))
    return found


@contextmanager
def turns_timed() -> Iterator[list[float]]:
    """Note the processor time of each turn of the event loop: between two awaits.

    What the process holds from before, of other tests, is collected before and not during a turn.
    """
    turns: list[float] = []
    run = asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        started = time.thread_time()
        run(handle)
        turns.append(time.thread_time() - started)

    asyncio.Handle._run = timed  # type: ignore[method-assign]
    gc.collect()
    gc.freeze()
    try:
        yield turns
    finally:
        gc.unfreeze()
        asyncio.Handle._run = run  # type: ignore[method-assign]
