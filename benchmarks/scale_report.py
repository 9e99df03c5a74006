"""A report of very many leads: processor time, memory, and what is left on the disk.

    python -m benchmarks.scale report [--full]

Simulated companies of some thousands of leads, with about 20 events each, and their multiples are
scored and reported by the commands, with one model trained on a small share. What a person opens
stays of one size; what is stored for the live pages grows with the leads.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.in_parts import Verdict
from benchmarks.process_cost import COMMAND, ProcessCost, measured
from data.world import make_world, project_file, write_world

KIND = "software_trial"
TRAINED_ON = 2_000
SIZES = {False: (2_500, 10_000), True: (100_000, 300_000, 1_000_000)}
LARGEST_FILE = 12.0
"""MB that the offline file may take, whatever the company."""
PAGES_OF_LEAD = 4.0
"""kB of live pages that an open lead may take."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one report took, and left in megabytes, with its open leads."""

    leads: int
    open: int
    cost: ProcessCost
    html: float
    pages: float

    def __str__(self) -> str:
        """Say it in a line."""
        return (
            f"{self.leads:>9,} leads, {self.open:>7,} open: {self.cost.wall_s:6.0f} s,"
            f" {self.cost.cpu_s:6.0f} s of processor time, peak {self.cost.peak / 1e6:6,.0f} MB;"
            f" the file {self.html:.1f} MB,"
            f" live pages {1000 * self.pages / self.open:.1f} kB a lead"
        )


def measure(*, full: bool) -> Iterator[Verdict]:
    """Report each company and compare the largest with the smallest."""
    with tempfile.TemporaryDirectory() as place:
        model = Path(place) / "trained"
        make_company(model, TRAINED_ON)
        leadscore("train", model, "--fast")
        runs = []
        for leads in SIZES[full]:
            folder = Path(place) / str(leads)
            make_company(folder, leads)
            shutil.copytree(model / "state", folder / "state")
            runs.append(report(folder, leads))
            print(runs[-1], flush=True)
            shutil.rmtree(folder)
    least, most = runs[0], runs[-1]
    times = most.leads / least.leads
    yield _bar(
        f"processor time of a report, {times:g} times the leads",
        most.cost.cpu_s / least.cost.cpu_s,
        1.1 * times,
    )
    yield _bar("its peak memory, times", most.cost.peak / least.cost.peak, 1.1 * times)
    yield _bar("the offline file, MB", most.html, LARGEST_FILE)
    yield _bar("live pages, kB a lead", 1000 * most.pages / most.open, PAGES_OF_LEAD)


def _bar(name: str, figure: float, most: float) -> Verdict:
    return figure <= most, name, f"{figure:.2f}", f"<= {most:.2f}"


def make_company(folder: Path, leads: int) -> None:
    """Write a simulated company and its project file."""
    write_world(make_world(KIND, leads, 1), folder, project=project_file(KIND))


def report(folder: Path, leads: int) -> Run:
    """Score, which accepts that the company has grown, then report; the report is measured."""
    leadscore("score", folder, "--accept")
    cost = leadscore("report", folder, "--lang", "en", "--out", str(folder / "out"))
    (stored,) = (folder / "state" / "pages").glob("*/pages.sqlite")
    with closing(sqlite3.connect(stored)) as connection:
        (count,) = connection.execute("select count(*) from leads").fetchone()
    html = (folder / "out" / "report-en.html").stat().st_size / 1e6
    return Run(leads, count, cost, html, stored.stat().st_size / 1e6)


def leadscore(verb: str, folder: Path, *options: str) -> ProcessCost:
    """Run a command on a company, with one thread."""
    words = [verb, str(folder / f"{KIND}.toml"), "--state", str(folder / "state"), *options]
    return measured([*COMMAND, *words, "--threads", "1"])
