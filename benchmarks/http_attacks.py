"""What a running service must bear: slow sockets, a gigabyte, wrong keys, requests by Schemathesis.

Each attack gives a bar: (met, name, figure, what was asked).
"""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import psutil

SLOW_SOCKETS = 200
Bar = tuple[bool, str, str, str]


def healthy(url: str) -> float:
    """Time one request of a healthy client: seconds."""
    started = time.perf_counter()
    httpx.get(f"{url}/health", timeout=30).raise_for_status()
    return time.perf_counter() - started


def under_slow_sockets(url: str, port: int) -> Bar:
    """Open sockets that send a byte now and then; ask as a healthy client meanwhile."""
    slow = []
    for _ in range(SLOW_SOCKETS):
        client = socket.create_connection(("127.0.0.1", port))
        client.sendall(b"POST /v1/score HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        slow.append(client)
    worst = 0.0
    for _ in range(4):
        for client in slow:
            client.sendall(b"a")
        worst = max(worst, healthy(url))
        time.sleep(1)
    for client in slow:
        client.close()
    return (
        worst < 1.0,
        f"healthy request under {SLOW_SOCKETS} slow sockets",
        f"{worst:.3f} s",
        "< 1 s",
    )


def under_a_gigabyte(url: str, port: int, server: psutil.Popen, headers: dict) -> Bar:
    """Send a gigabyte without a length; the server must cut it off and stay small."""
    before = server.memory_info().rss
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    sent = 0
    with socket.create_connection(("127.0.0.1", port)) as client:
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head += "Transfer-Encoding: chunked\r\n"
        client.sendall(f"POST /v1/score HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode())
        try:
            while sent < 1_000_000_000:
                client.sendall(chunk)
                sent += 65_536
        except OSError:
            pass  # the server hung up, as it should
    worst = healthy(url)
    grown = max(0, server.memory_info().rss - before) / 1e6
    figure = f"cut off after {sent / 1e6:.1f} MB, memory +{grown:.0f} MB, healthy {worst:.3f} s"
    return grown < 50 and worst < 1.0, "a body of 1 GB", figure, "memory +< 50 MB, healthy < 1 s"


def without_a_key(url: str, key: str) -> Bar:
    """Ask without a key, with wrong ones, and with the right one in the address: 401 each."""
    asked = [
        httpx.get(f"{url}/metrics"),
        httpx.get(f"{url}/metrics", headers={"Authorization": f"Bearer {key}x"}),
        httpx.get(f"{url}/metrics", headers={"Authorization": f"Basic {key}"}),
        httpx.get(f"{url}/metrics", params={"key": key}),
        httpx.get(f"{url}/metrics", params={"api_key": key}, headers={"X-API-Key": key}),
    ]
    refused = sum(answer.status_code == 401 for answer in asked)
    right = httpx.get(f"{url}/metrics", headers={"Authorization": f"Bearer {key}"}).status_code
    figure = f"{refused} of {len(asked)} refused, the right one {right}"
    return refused == len(asked) and right == 200, "no, wrong, misplaced key", figure, "401; 200"


def under_schemathesis(url: str, key: str, examples: int) -> Bar:
    """Let Schemathesis send what the OpenAPI document allows and what it does not."""
    command = [
        sys.executable,
        "-m",
        "schemathesis.cli",
        "run",
        f"{url}/openapi.json",
        "--header",
        f"Authorization: Bearer {key}",
        "--max-examples",
        str(examples),
        "--seed",
        "1",
        # which columns a lead needs is the project file's business, not the document's
        "--exclude-checks",
        "positive_data_acceptance",
        "--no-color",
    ]
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as place:  # where it may leave its notes
        # a body that breaks the schema and the limit of 1 MB is refused with 413, as declared
        statuses = "expected-statuses = [400, 401, 404, 405, 406, 408, 413, 415, 422]"
        Path(place, "schemathesis.toml").write_text(f"[checks.negative_data_rejection]\n{statuses}")
        run = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        print(run.stdout[-6000:], run.stderr[-2000:])
    figure = (
        f"{'clean' if run.returncode == 0 else 'failures above'}, {examples} examples an operation"
    )
    figure += f", {time.monotonic() - started:.0f} s"
    return run.returncode == 0, "Schemathesis on its OpenAPI", figure, "clean"
