"""Do people wait for the night? Pages read over and over while `leadscore night` writes new ones.

python -m benchmarks.worklist night [--full]
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np

from benchmarks.in_parts import Verdict
from benchmarks.worklist_load import KIND, PASSWORD, add_people, serving
from data.world import make_world, project_file, write_world
from tests.fakes.live_site import fields
from training.state import StatePaths

COMMAND = (sys.executable, "-W", "ignore", "-c", "import leadscore; leadscore.main()")


def measure(*, full: bool) -> Iterator[Verdict]:
    """Train a company, write its pages, and read them while the next night is written."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write_world(
            make_world(KIND, 8_000 if full else 1_200, 0), folder, project=project_file(KIND)
        )
        state = StatePaths(folder / "state")
        _run(folder, "train", "--fast", codes=(0, 3))  # 3: a plainer champion, so few conversions
        _run(folder, "report", "--out", str(folder / "out"))
        name = add_people(state, ["nobody"])[0]
        with serving(state) as (_, url), httpx.Client(base_url=url, timeout=60) as client:
            client.headers["accept"] = "text/html"
            given = {**fields(client.get("/login").text), "name": name, "password": PASSWORD}
            client.post("/login", data=given)
            night = subprocess.Popen(_command(folder, "night"), stdout=subprocess.DEVNULL)
            took, runs = _read(client, night)
            runs.add(_run_of(client.get("/today").text))
    p95, worst = np.quantile(took, [0.95, 1]) * 1000
    print(f"{len(took):,} pages while a night ran: p95 {p95:.0f} ms, worst {worst:.0f} ms")
    yield night.returncode in (0, 3), "the night's exit code", f"{night.returncode}", "0 or 3"
    yield p95 < 300, "p95 of reads while a night writes, ms", f"{p95:.0f}", "< 300"
    yield len(runs) == 2, "lists seen: the one before, and the new one", f"{len(runs)}", "2"


def _read(client: httpx.Client, night: subprocess.Popen[bytes]) -> tuple[list[float], set[str]]:
    """Read the list and leads of it until the night is over: seconds of each, the runs shown."""
    took: list[float] = []
    runs: set[str] = set()
    links = ["/today"]
    while night.poll() is None:
        for path in ["/today", *links[:5], "/changes"]:
            started = time.perf_counter()
            answer = client.get(path)
            took.append(time.perf_counter() - started)
            if answer.status_code != 200:
                raise SystemExit(f"{path} was answered {answer.status_code} while a night wrote")
            if path == "/today":
                runs.add(_run_of(answer.text))
                found = re.findall(r'href="(/lead/[^"]*)"', answer.text)
                links = [link.replace("&amp;", "&") for link in found]
        time.sleep(0.05)
    return took, runs


def _run_of(page: str) -> str:
    found = re.search('data-run="([^"]*)"', page)
    return "" if found is None else found[1]


def _run(folder: Path, *arguments: str, codes: tuple[int, ...] = (0,)) -> None:
    done = subprocess.run(_command(folder, *arguments), check=False, stdout=subprocess.DEVNULL)
    if done.returncode not in codes:
        raise SystemExit(f"{arguments[0]} ended with {done.returncode}")


def _command(folder: Path, verb: str, *arguments: str) -> list[str]:
    file = str(folder / f"{KIND}.toml")
    return [*COMMAND, verb, file, "--state", str(folder / "state"), *arguments]
