"""What a stranger does with connections: nothing is smuggled, and none is held without a key."""

from __future__ import annotations

import socket
import time

import httpx
import pytest

from serving.http.application import create_app
from serving.http.score_requests import Service
from serving.http.server import HeaderTimeoutProtocol
from tests.serving.conftest import Company
from tests.serving.test_http import AUTH, KEYS, listening


@pytest.fixture(scope="module")
def app(company: Company):
    service = Service(company.session.project, company.session.registry)
    service.load()
    return create_app(service, KEYS)


def answer(port: int, raw: bytes) -> bytes:
    """Send bytes and read until the server hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(raw)
        got = b""
        while part := client.recv(65_536):
            got += part
    return got


@pytest.mark.parametrize("path", ["/v1/score", "/health", "/ready", "/metrics"])
@pytest.mark.parametrize("key", [b"", f"Authorization: {AUTH['Authorization']}\r\n".encode()])
def test_length_and_chunks_together_are_refused_on_every_path(app, path: str, key: bytes) -> None:
    with listening(app, http=HeaderTimeoutProtocol) as port:
        got = answer(
            port,
            f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n".encode()
            + key
            + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n",
        )
    assert got.startswith(b"HTTP/1.1 400")
    assert got.count(b"HTTP/1.1") == 1


def test_a_body_that_never_comes_holds_no_connection_without_a_key(app, monkeypatch) -> None:
    monkeypatch.setattr(HeaderTimeoutProtocol, "header_seconds", 2.0)
    head = "POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n"
    with listening(app, http=HeaderTimeoutProtocol) as port:
        clients = []
        for path in ["/v1/score", "/health"] * 40:
            client = socket.create_connection(("127.0.0.1", port), timeout=20)
            client.sendall(head.format(path).encode())
            clients.append(client)
        assert httpx.get(f"http://127.0.0.1:{port}/health", timeout=10).status_code == 200
        started = time.monotonic()
        for client in clients:
            while client.recv(65_536):
                pass  # the refusal, then the end
            client.close()
        assert time.monotonic() - started < 15
