"""Clients that send a byte now and then, and a healthy one beside them."""

from __future__ import annotations

import socket
import threading
import time

import httpx
import uvicorn

from serving.http.guard import App
from serving.http.server import HeaderTimeoutProtocol


def hold(app: App, *, sockets: int) -> float:
    """Hold a service by so many sockets; returns the seconds that a healthy request takes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = uvicorn.Config(app, port=port, log_level="error", http=HeaderTimeoutProtocol)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    slow = []
    try:
        for _ in range(sockets):
            client = socket.create_connection(("127.0.0.1", port))
            client.sendall(b"POST /v1/score HTTP/1.1\r\nHost: x\r\nX-Slow: ")
            slow.append(client)
        began = time.monotonic()
        httpx.get(f"http://127.0.0.1:{port}/health", timeout=30).raise_for_status()
        return time.monotonic() - began
    finally:
        for client in slow:
            client.close()
        server.should_exit = True
        thread.join()
