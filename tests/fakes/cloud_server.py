"""Small servers on loopback that speak the documented read protocol of a cloud CRM, and enforce it.

They are contract servers: what a document allows is answered as it says, anything else is refused
as it says. No account is needed, and none was used.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

TOKEN = "t0ken"


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    body: Any


class RefusedError(Exception):
    """What the CRM says when it will not."""

    def __init__(self, status: int, said: object) -> None:
        super().__init__(str(said))
        self.status, self.said = status, said


@dataclass
class Cloud:
    """Tables of rows; `answer` is the protocol. Every `stumbles`-th request is a 503."""

    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    page: int = 2000
    stumbles: int = 0
    denied: set[str] = field(default_factory=set)  # what the token may not read
    url: str = ""
    seen: list[Request] = field(default_factory=list)

    def answer(self, request: Request) -> object:
        raise NotImplementedError


@contextmanager
def running(cloud: Cloud) -> Iterator[Cloud]:
    """Serve a CRM on a free port."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 65_536  # head and body in one packet: two would wait for each other

        def do_GET(self) -> None:
            self.reply()

        def do_POST(self) -> None:
            self.reply()

        do_PUT = do_PATCH = do_POST  # noqa: N815

        def reply(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
            parts = urlsplit(self.path)
            is_csv = self.headers.get("content-type", "").startswith("text/csv")
            body = raw.decode() if is_csv else json.loads(raw) if raw else None
            asked = Request(self.command, parts.path, dict(parse_qsl(parts.query)), body)
            with lock:
                status, said, headers = self.decide(asked)
            data = json.dumps(said).encode()
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def decide(self, asked: Request) -> tuple[int, object, dict[str, str]]:
            cloud.seen.append(asked)
            if self.headers.get("authorization") != f"Bearer {TOKEN}":
                return 401, {"message": "who are you?"}, {}
            if cloud.stumbles and len(cloud.seen) % cloud.stumbles == 0:
                return 503, {"message": "busy"}, {"retry-after": "0"}
            try:
                return 200, cloud.answer(asked), {}
            except RefusedError as refusal:
                return refusal.status, refusal.said, {}

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    cloud.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield cloud
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
