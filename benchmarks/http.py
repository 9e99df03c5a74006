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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import psutil

from benchmarks.http_attacks import (
    under_a_gigabyte,
    under_schemathesis,
    under_slow_sockets,
    without_a_key,
)
from data.world import make_world, project_file, write_world
from serving.http.keys import new_key
from serving.session import Session, open_session
from serving.verbs import train_model

KIND = "software_trial"
CLIENTS = 8


def main() -> int:
    """Train a small model, serve it, measure, attack, and print one line per bar."""
    full = "--full" in sys.argv
    seconds, examples = (30, 200) if full else (6, 30)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        session = trained_company(folder)
        key = new_key(session.state.folder / "api_keys.json", "bench")
        with serving(session.file, session.state.folder) as (server, port):
            url = f"http://127.0.0.1:{port}"
            headers = {"Authorization": f"Bearer {key}"}
            measure(url, one_request(folder), headers, seconds, server)
            bars = [
                under_slow_sockets(url, port),
                under_a_gigabyte(url, port, server, headers),
                without_a_key(url, key),
                under_schemathesis(url, key, examples),
            ]
    print()
    for met, name, figure, bar in bars:
        print(f"{'met' if met else 'missed'}  {name}  {figure}  {bar}")
    return 0 if all(met for met, *_ in bars) else 1


def trained_company(folder: Path) -> Session:
    """Write a simulated company into a folder and train its model."""
    project = project_file(KIND)
    write_world(make_world(KIND, 3000, 3), folder, project=project)
    session = open_session(folder / project.name, state=folder / "state", threads=1)
    train_model(session, session.read(), on_stage=lambda _: None)
    return session


@contextmanager
def serving(file: Path, state: Path) -> Iterator[tuple[psutil.Popen, int]]:
    """Run `leadscore serve` as its own process on a free port of loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = psutil.Popen(
        [
            sys.executable,
            "-W",
            "ignore",
            "-c",
            "from serving.cli.app import main; main()",
            "serve",
            str(file),
            "--state",
            str(state),
            "--port",
            str(port),
            "--requests-per-second",
            "100000",
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}")
        yield server, port
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def measure(url: str, body: dict, headers: dict, seconds: int, server: psutil.Popen) -> None:
    """Print latency, throughput and the server's processor time for both kinds of history."""
    lead = body["leads"][0]["attributes"]["lead_id"]
    print(f"\nscore + explain, {CLIENTS} clients, {seconds} s each, one server process")
    print(f"{'history':<28}{'p50 ms':>9}{'p99 ms':>9}{'per s':>9}{'CPU ms':>9}")
    for name, method, path, content in (
        ("in the request", "POST", "/v1/score", json.dumps(body)),
        ("in the store", "GET", f"/v1/leads/{lead}/score", None),
    ):
        before = sum(server.cpu_times()[:2])
        took = asyncio.run(load(url, method, path, content, headers, seconds))
        busy = 1000 * (sum(server.cpu_times()[:2]) - before) / len(took)
        p50, p99 = np.quantile(took, [0.5, 0.99]) * 1000
        print(f"{name:<28}{p50:>9.1f}{p99:>9.1f}{len(took) / seconds:>9.0f}{busy:>9.1f}")


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


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
