"""Checks before the application: API key, request rate, size and time-out of the body.

One ASGI middleware in front of everything: key, rate per key, body size (also for bodies without
a length), body time-out, no content encodings. What it refuses never reaches the application.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final

from serving.http.keys import owner_of
from serving.http.strict_json import NotJsonError, check_json

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

DRAINED_BODIES: Final = 4
"""Bodies up to so many times the limit are read to the end, so that the sender gets the refusal."""
OPEN_PATHS: Final = frozenset({"/health", "/ready"})
API_PATHS: Final = ("/v1/", "/metrics", "/openapi.json")
"""What programs ask for, with a key; every other path is a page, for people who sign in."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request and one key may use."""

    body_bytes: int = 1_000_000
    body_seconds: float = 10.0
    requests_per_second: float = 50.0
    burst: int = 100


@dataclass(slots=True)
class Bucket:
    """A token bucket: `tokens` at `at` seconds."""

    tokens: float
    at: float

    def take(self, now: float, limits: Limits) -> float:
        """Take one token; return 0, or the seconds until there is one."""
        refill = (now - self.at) * limits.requests_per_second
        self.tokens, self.at = min(limits.burst, self.tokens + refill), now
        if self.tokens >= 1:
            self.tokens -= 1
            return 0.0
        return (1 - self.tokens) / limits.requests_per_second


class RefusedError(Exception):
    """A request that is refused here."""

    def __init__(self, status: int, cause: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(cause)
        self.status, self.cause, self.headers = status, cause, dict(headers or {})


@dataclass(slots=True)
class Guard:
    """An ASGI application behind the checks."""

    app: App
    keys: Mapping[str, str]
    limits: Limits = Limits()
    with_pages: bool = False
    clock: Callable[[], float] = time.monotonic
    buckets: dict[str, Bucket] = field(default_factory=dict)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in with its whole body read, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            body = await self._admit(scope, receive)
        except RefusedError as refused:
            await _answer(refused, send)
            return
        await self.app(scope, _replay(body, receive), send)

    async def _admit(self, scope: Scope, receive: Receive) -> bytes:
        names = [name for name, _ in scope["headers"]]
        if b"transfer-encoding" in names and b"content-length" in names:
            raise RefusedError(400, "a body has a length or comes in chunks, not both")
        if scope["path"] in OPEN_PATHS:
            return b""  # whoever has no key makes nobody read a body
        headers = {name.decode("latin-1"): value for name, value in scope["headers"]}
        is_page = self.with_pages and not scope["path"].startswith(API_PATHS)
        if not is_page:
            self._spend(self._owner(scope, headers))
        if headers.get("content-encoding", b"identity") not in (b"identity", b""):
            raise RefusedError(415, "a compressed body is not read")
        if headers.get("content-length", b"0").isdigit():
            length = int(headers.get("content-length", b"0"))
            if length > DRAINED_BODIES * self.limits.body_bytes:
                raise self._too_large()
        try:
            async with asyncio.timeout(self.limits.body_seconds):
                body = await self._read(receive)
            if not is_page or b"json" in headers.get("content-type", b"").lower():
                check_json(body)
            return body
        except NotJsonError as error:
            raise RefusedError(400, str(error)) from None
        except TimeoutError:
            raise RefusedError(408, f"the body took over {self.limits.body_seconds:g} s") from None

    def _owner(self, scope: Scope, headers: Mapping[str, bytes]) -> str:
        if b"key=" in scope.get("query_string", b"").lower():
            raise RefusedError(401, "a key in the address ends in logs: send it as a header")
        scheme, _, key = headers.get("authorization", b"").decode("latin-1").partition(" ")
        owner = owner_of(key.strip(), self.keys) if scheme.lower() == "bearer" else None
        if owner is None:
            raise RefusedError(
                401, "send a valid key: Authorization: Bearer …", {"WWW-Authenticate": "Bearer"}
            )
        scope["leadscore.owner"] = owner
        return owner

    def _spend(self, owner: str) -> None:
        now = self.clock()
        bucket = self.buckets.setdefault(owner, Bucket(self.limits.burst, now))
        wait = bucket.take(now, self.limits)
        if wait > 0:
            raise RefusedError(
                429, "too many requests", {"Retry-After": str(max(1, round(wait + 0.5)))}
            )

    async def _read(self, receive: Receive) -> bytes:
        """Read the body; too large a one is read but not kept."""
        chunks, size, more = [], 0, True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                raise RefusedError(400, "the connection ended inside the body")
            chunk = message.get("body", b"")
            size += len(chunk)
            if size <= self.limits.body_bytes:
                chunks.append(chunk)
            elif size > DRAINED_BODIES * self.limits.body_bytes:
                raise self._too_large()
            more = bool(message.get("more_body"))
        if size > self.limits.body_bytes:
            raise self._too_large()
        return b"".join(chunks)

    def _too_large(self) -> RefusedError:
        return RefusedError(413, f"the body may hold {self.limits.body_bytes} bytes")


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def replayed() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


async def _answer(refused: RefusedError, send: Send) -> None:
    body = json.dumps({"detail": refused.cause}).encode()
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "connection": "close",
        **refused.headers,
    }
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": refused.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
