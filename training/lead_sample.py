"""Labelled rows and a memory budget -> the leads that training learns from, and their weights.

Every lead with a converting training row is taken, and one in k of the others, whole: by account,
else by lead, never by row. Each row weighs the inverse of its lead's sampling rate, so that the
weights add up to all rows; the level needs no correction of its own. Which leads are taken depends
on their ids and the seed alone, so that a larger budget takes the same leads and more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import xxhash
from numpy.typing import NDArray

from data.errors import InputError
from data.memory import memory_budget
from data.schema import Project
from data.splits import Cut
from data.tables import LabelledSnapshots, Tables
from features.frame import Catalogue
from models.fit.linear import DENSE
from models.note import Note

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]

PROGRAM: Final = 700_000_000
"""Bytes of Python, its libraries, and what a fit holds whatever the rows."""
ROW_BYTES: Final = 900
"""Bytes of a training row besides its columns: margins, folds, starts, weights."""
NUMBER_BYTES, WORD_BYTES = 23, 40
"""Bytes of a number and of a category in a training row: in the forests' matrix, copies, bins."""
LINE_COLUMNS, DENSE_BYTES, SPARSE_BYTES = 9, 4, 24
"""Columns that the line makes of a number, and the bytes of a cell: laid out whole up to `DENSE`
columns, else as values beside their places, twice while its penalty is sought."""
TEST_NUMBER, TEST_ROW = 9, 400
"""Bytes of a column and of the rest of a test row."""
EVENT_BYTES, LEAD_BYTES = 40, 900
"""Bytes of an event and of a lead in the tables as read, counted from the arrays that are held at
the peak of reading."""


@dataclass(frozen=True, slots=True)
class TrainingSample:
    """What was taken of the training rows: all that converted, one in `one_in` of the others."""

    one_in: int
    leads: int
    leads_taken: int
    leads_converted: int
    rows: int
    rows_taken: int
    budget: int

    @property
    def sentence(self) -> str:
        """Say what was taken, and why."""
        return Note(
            "learned from a sample that fits into {budget:.1f} GB: all {converted:,} leads that "
            "converted and one in {one_in} of the others ({leads_taken:,} of {leads:,} leads, "
            "{rows_taken:,} of {rows:,} rows), each row weighted by the inverse of its lead's "
            "sampling rate",
            budget=self.budget / 1e9,
            converted=self.leads_converted,
            one_in=self.one_in,
            leads_taken=self.leads_taken,
            leads=self.leads,
            rows_taken=self.rows_taken,
            rows=self.rows,
        )


def training_memory(project: Project, asked: str | None = None, *, named: str = "--memory") -> int:
    """Read how many bytes training may use: as asked, else as the project file says, else half.

    InputError, about `named`, where it is no size.
    """
    return memory_budget(project.train.memory if asked is None else asked, named=named)


def tables_bytes(tables: Tables) -> int:
    """Estimate what the tables take in memory; the same on every machine."""
    columns = len(tables.attributes) + len(tables.display.columns)
    return len(tables.events.at) * EVENT_BYTES + len(tables) * (LEAD_BYTES + 16 * columns)


def row_bytes(catalogue: Catalogue) -> int:
    """Estimate what one training row takes at the peak of a fit."""
    numbers, words = len(catalogue.numbers), len(catalogue.categories)
    cell = DENSE_BYTES if LINE_COLUMNS * numbers <= DENSE else SPARSE_BYTES
    line = (8 + LINE_COLUMNS * cell) * numbers
    return ROW_BYTES + max(NUMBER_BYTES * numbers, line) + WORD_BYTES * words


def test_row_bytes(catalogue: Catalogue) -> int:
    """Estimate what one test row takes."""
    return TEST_ROW + TEST_NUMBER * len(catalogue.features)


def rows_that_fit(memory: int, tables: Tables, catalogue: Catalogue, test_rows: int) -> int:
    """Count the training rows for which this much memory is enough."""
    left = memory - PROGRAM - tables_bytes(tables) - test_rows * test_row_bytes(catalogue)
    return max(0, left // row_bytes(catalogue))


def take_sample(
    labelled: LabelledSnapshots,
    cut: Cut,
    tables: Tables,
    *,
    fits: int,
    memory: int,
    seed: int,
) -> tuple[Rows, Floats, TrainingSample] | None:
    """Choose training rows, `fits` at most: (rows, ascending; their weights; what was taken).

    None where all of them fit. InputError where not even the leads that converted fit with as many
    others.
    """
    train = cut.train
    if len(train) <= fits:
        return None
    lead = labelled.snapshots.lead[train]
    groups, first, member = np.unique(tables.groups[lead], return_index=True, return_inverse=True)
    size = np.bincount(member, minlength=len(groups))
    won = np.bincount(member, weights=labelled.y[train], minlength=len(groups)) > 0
    drawn = hashes(group_names(tables, lead[first]), seed)
    others = int((~won).sum())
    for one_in in range(2, max(3, others // max(1, int(won.sum())) + 1)):
        kept = won | (drawn < 2.0**64 / one_in)
        if size[kept].sum() <= fits:
            break
    else:
        raise InputError(
            f"{memory / 1e9:.1f} GB of memory are too little: {int(won.sum()):,} of the training "
            "leads converted, and all of them are learned from, with as many others",
            argument="--memory",
            cure="give more with --memory, or fewer snapshots of a lead",
        )
    rows = train[kept[member]]
    taken = int(size[kept & ~won].sum())
    inverse = float(size[~won].sum()) / max(1, taken)  # of the rate as it came out: about one_in
    weights = np.where(won, 1.0, inverse)[member][kept[member]]
    sample = TrainingSample(
        one_in,
        leads=_leads(labelled, train),
        leads_taken=_leads(labelled, rows),
        leads_converted=_leads(labelled, train[labelled.y[train] > 0]),
        rows=len(train),
        rows_taken=len(rows),
        budget=memory,
    )
    return rows, weights, sample


def group_names(tables: Tables, lead: Rows) -> Sequence[str]:
    """Name what each lead belongs to: its account, else itself."""
    names = tables.lead_ids[lead].astype(object)
    account = tables.account[lead]
    if (account >= 0).any() and "account" in tables.display.columns:
        shown = tables.display["account"].to_numpy(object)[lead]
        names = np.where(account >= 0, shown, names)
    return [str(name) for name in names]


def hashes(names: Sequence[str], seed: int) -> Floats:
    """Draw a number from 0 to 2^64 for each name, the same for ever: (n,)."""
    drawn = (xxhash.xxh64_intdigest(name.encode(), seed=seed % 2**64) for name in names)
    return np.fromiter(drawn, np.float64, len(names))


def _leads(labelled: LabelledSnapshots, rows: Rows) -> int:
    return len(np.unique(labelled.snapshots.lead[rows]))
