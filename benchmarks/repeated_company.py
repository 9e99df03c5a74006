"""A simulated company, repeated under other ids to the size asked for, and its model.

For benchmarks of size: a company of 10 M leads is written in minutes, and all its leads are alike.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.world import make_world, write_world
from serving.loaded_model import LoadedModel
from serving.parts.part_job import AskedRun
from serving.parts.run_parts import PartsPlan
from serving.parts.score_company import score_company
from serving.session import Session, open_session
from serving.verbs import train_model

EXAMPLE: Final = Path(__file__).parents[1] / "examples" / "software_trial.toml"
IDS: Final = ("lead_id", "account_id", "contact_id", "opportunity_id", "touch_id")
BASE: Final = 2000
"""Leads of the company that is repeated."""
AT: Final = 1_795_000_000_000_000
KEPT: Final = ("scores.parquet", "scores/r1/features.parquet", "guard.json")


@dataclass(frozen=True, slots=True)
class TrainedCompany:
    """A folder with the company that is repeated in `base` and its model's state in `model`."""

    folder: Path
    model: LoadedModel

    def enlarge(self, name: str, times: int) -> Path:
        """Write the company so many times over into a folder; returns its project file."""
        return _enlarge(self.folder / "base", self.folder / name, times)

    def scored(
        self, file: Path, plan: PartsPlan, on_part: Callable[[int], None] = lambda _: None
    ) -> list[bytes]:
        """Score a company: the bytes of what is kept."""
        state = self.folder / "scored"
        shutil.rmtree(state, ignore_errors=True)
        state.mkdir()
        session: Session = open_session(file, state=state, threads=max(plan.processes, 1))
        score_company(
            session,
            self.model,
            plan,
            AskedRun(AT, "r1"),
            accept=True,
            on_stage=lambda _: None,
            on_part=lambda done, _: on_part(done),
        )
        return [(state / name).read_bytes() for name in KEPT]


@contextmanager
def trained_company() -> Iterator[TrainedCompany]:
    """Simulate the company that is repeated and train its model, in a folder that goes again."""
    with tempfile.TemporaryDirectory(prefix="scale-") as place:
        folder = Path(place)
        write_world(make_world("software_trial", BASE, 7), folder / "base", project=EXAMPLE)
        session = open_session(folder / "base" / EXAMPLE.name, state=folder / "model", threads=2)
        train_model(session, session.read(), fast=True, on_stage=lambda _: None)
        yield TrainedCompany(folder, session.model("champion"))


def write_repeated(folder: Path, times: int) -> Path:
    """Simulate the company and write it so many times over; return its project file."""
    write_world(make_world("software_trial", BASE, 7), folder / "base", project=EXAMPLE)
    return _enlarge(folder / "base", folder / "repeated", times)


def _enlarge(base: Path, folder: Path, times: int) -> Path:
    """Repeat a world under other ids, file by file; return its project file.

    All copies wait as long for their first conversion. That many leads of whom none converted
    sooner would say that conversions were not recorded yet (D7), so the project says from when on.
    """
    folder.mkdir()
    project = (base / EXAMPLE.name).read_text(encoding="utf-8")
    begun = pc.min(pq.read_table(base / "leads.parquet")["created_at"]).as_py()
    said = f'[conversion]\nrecorded_from = "{begun:%Y-%m-%d}"\n'
    project = project.replace("[conversion]\n", said, 1)
    (folder / EXAMPLE.name).write_text(project, encoding="utf-8")
    for path in sorted(base.glob("*.parquet")):
        table = pq.read_table(path)
        names = [name for name in table.column_names if name in IDS]
        with pq.ParquetWriter(folder / path.name, table.schema) as file:
            for copy in range(times):
                again = table
                for name in names if copy else ():
                    field = table.schema.field(name)
                    own, parted = (pa.scalar(text, field.type) for text in (f"c{copy}", "-"))
                    ids = pc.binary_join_element_wise(table[name], own, parted)
                    again = again.set_column(again.column_names.index(name), field, ids)
                file.write_table(again)
    return folder / EXAMPLE.name
