"""The service under load and under attack: latency, throughput, slow sockets, a body of a gigabyte.

`python -m benchmarks.http [--full]`: a real server process on loopback, a simulated company,
clients in this process. Times are of this machine; the bars are about not being stopped.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import psutil

from data.world import make_world, write_world
from serving.http.keys import new_key
from serving.jobs import train_model
from serving.session import open_session

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "software_trial.toml"
CLIENTS = 8
SLOW_SOCKETS = 200


def main() -> int:
    """Train a small model, serve it, measure, attack, and print one line per bar."""
    full = "--full" in sys.argv
    seconds = 30 if full else 6
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_world(make_world("software_trial", 2000, 3), folder, project=EXAMPLE)
        file = folder / EXAMPLE.name
        session = open_session(file, state=folder / "state", threads=1)
        train_model(session, session.read(), fast=True, on_stage=lambda _: None)
        key = new_key(session.state.folder / "api_keys.json", "bench")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", "from serving.cli.app import main; main()",
             "serve", str(file), "--state", str(folder / "state"), "--port", str(port),
             "--requests-per-second", "100000"],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(url)
            headers = {"Authorization": f"Bearer {key}"}
            body = one_request(folder)
            lead = body["leads"][0]["attributes"]["lead_id"]
            print(f"\nscore + explain, {CLIENTS} clients, {seconds} s each, one server process")
            print(f"{'history':<28}{'p50 ms':>9}{'p99 ms':>9}{'per s':>9}")
            for name, method, path, content in (
                ("in the request", "POST", "/v1/score", json.dumps(body)),
                ("in the store", "GET", f"/v1/leads/{lead}/score", None),
            ):
                took = asyncio.run(load(url, method, path, content, headers, seconds))
                p50, p99 = np.quantile(took, [0.5, 0.99]) * 1000
                print(f"{name:<28}{p50:>9.1f}{p99:>9.1f}{len(took) / seconds:>9.0f}")
            bars = [under_slow_sockets(url, port), under_a_gigabyte(url, port, server, headers)]
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(30)
    print()
    for met, name, figure, bar in bars:
        print(f"{'met' if met else 'missed'}  {name}  {figure}  {bar}")
    return 0 if all(met for met, *_ in bars) else 1


def wait_for(url: str) -> None:
    """Wait until the server is ready."""
    for _ in range(600):
        try:
            if httpx.get(f"{url}/ready").status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise SystemExit("the server did not start")


def one_request(folder: Path) -> dict:
    """Lay out the lead with the most events as a request."""
    leads = pd.read_parquet(folder / "leads.parquet")
    touches = pd.read_parquet(folder / "touches.parquet")
    busiest = touches["lead_id"].value_counts().index[0]
    lead = leads[leads["lead_id"] == busiest].iloc[0]
    events = touches[touches["lead_id"] == busiest].to_dict("records")
    print(f"the lead has {len(events)} events")
    return {
        "leads": [
            {"attributes": plain(lead.to_dict()), "events": {"0": [plain(e) for e in events]}}
        ],
        "as_of": "2026-11-01T00:00:00Z",
    }


def plain(row: dict) -> dict:
    """Turn pandas values into what JSON knows."""

    def value(v: object) -> object:
        if isinstance(v, pd.Timestamp):
            return v.isoformat()
        return None if pd.isna(v) else v.item() if isinstance(v, np.generic) else v

    return {str(key): value(v) for key, v in row.items()}


async def load(
    url: str, method: str, path: str, content: str | None, headers: dict, seconds: float
) -> np.ndarray:
    """Ask as fast as `CLIENTS` clients can for some seconds; give the seconds of each answer."""
    took: list[float] = []
    sent = {**headers, "Content-Type": "application/json"}

    async def ask(client: httpx.AsyncClient, until: float) -> None:
        while time.perf_counter() < until:
            started = time.perf_counter()
            answer = await client.request(method, url + path, content=content, headers=sent)
            answer.raise_for_status()
            took.append(time.perf_counter() - started)

    async with httpx.AsyncClient(timeout=60) as client:
        await ask(client, time.perf_counter() + 0.5)  # warm up
        took.clear()
        until = time.perf_counter() + seconds
        await asyncio.gather(*(ask(client, until) for _ in range(CLIENTS)))
    return np.array(took)


def healthy(url: str) -> float:
    """Time one request of a healthy client: seconds."""
    started = time.perf_counter()
    httpx.get(f"{url}/health", timeout=30).raise_for_status()
    return time.perf_counter() - started


def under_slow_sockets(url: str, port: int) -> tuple[bool, str, str, str]:
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


def under_a_gigabyte(
    url: str, port: int, server: subprocess.Popen[bytes], headers: dict
) -> tuple[bool, str, str, str]:
    """Send a gigabyte without a length; the server must cut it off and stay small."""
    process = psutil.Process(server.pid)
    before = process.memory_info().rss
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
    grown = max(0, process.memory_info().rss - before) / 1e6
    figure = f"cut off after {sent / 1e6:.1f} MB, memory +{grown:.0f} MB, healthy {worst:.3f} s"
    return grown < 50 and worst < 1.0, "a body of 1 GB", figure, "memory +< 50 MB, healthy < 1 s"


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
