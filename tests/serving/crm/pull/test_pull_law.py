"""Nothing missing, nothing twice: pulls against a CRM in SQLite that changes while it is read.

The CRM shows what it recorded up to `LAG` late, its clock is up to `SKEW` off, rows change between
two pages, and pulls are killed between any two steps.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.durations import MINUTE
from data.errors import InputError, OutsideError
from serving.crm.crm_rows import KEYS, Kind, Page, Since
from serving.crm.pull import pull_rows as pulling
from serving.crm.pull.pull_rows import OVERLAP, pull

LAG, SKEW = OVERLAP // 2, OVERLAP // 2
START = 1_790_000_000_000_000
STREAMS: tuple[Kind, ...] = ("leads", "events", "lead_history")
Recorded = tuple[Kind, int, int, int]  # kind, id, value, how late it is seen


class Killed(BaseException):
    """What a kill looks like from inside."""


class SqliteSource:
    """Rows with a stamp of the CRM's clock, visible from a later moment on; pages of two by id."""

    origin = "sqlite for the test"

    def __init__(self, path: Path, *, skew: int) -> None:
        self.gaps: dict[str, str] = {}
        self.now, self.skew = START, skew
        self.between: Callable[[], None] = lambda: None
        self._base = sqlite3.connect(path, isolation_level=None)
        self._base.execute(
            "CREATE TABLE versions (kind, id, stamp INTEGER, visible INTEGER, value INTEGER)"
        )

    def record(self, kind: Kind, number: int, value: int, lag: int) -> None:
        """Record a row now; it is seen `lag` later, as after a long transaction."""
        at = self.now + self.skew
        row = (kind, f"{number}", at, self.now + lag, value)
        self._base.execute("INSERT INTO versions VALUES (?, ?, ?, ?, ?)", row)

    def read(self, since: Since, *, as_of: int | None = None) -> Iterator[Page]:
        assert as_of is None
        for kind in STREAMS:
            last = ""
            while True:
                rows = [each for each in self._visible(kind) if each[0] > last]
                rows = [each for each in rows if each[1] >= (since.of(kind) or 0)][:2]
                if not rows:
                    break
                yield Page(
                    kind,
                    tuple(
                        {KEYS[kind]: number, "changed_at": at, "old": str(value)}
                        for number, at, value in rows
                    ),
                )
                last = rows[-1][0]
                self.between()

    def truth(self) -> dict[Kind, dict[str, str]]:
        """Give the last value of every row there is."""
        return {
            kind: {number: str(value) for number, _, value in self._visible(kind)}
            for kind in STREAMS
        }

    def _visible(self, kind: Kind) -> list[tuple[str, int, int]]:
        query = (
            "SELECT id, stamp, value, max(rowid) FROM versions WHERE kind = ? AND visible <= ?"
            " GROUP BY id ORDER BY id"
        )
        return [row[:3] for row in self._base.execute(query, (kind, self.now)).fetchall()]

    def close(self) -> None:
        self._base.close()


def on_disk(folder: Path) -> dict[Kind, dict[str, str]]:
    found: dict[Kind, dict[str, str]] = {}
    for kind in STREAMS:
        path = folder / f"{kind}.parquet"
        rows = pq.read_table(path).to_pylist() if path.exists() else []
        found[kind] = {row[KEYS[kind]]: row["old"] for row in rows}
        assert len(found[kind]) == len(rows), "a row is there twice"
    return found


def dying_after(steps: int) -> Callable[[], None]:
    """Make something that kills at the call numbered `steps`."""
    left = iter(range(steps))

    def step() -> None:
        if next(left, None) is None:
            raise Killed

    return step


lags = st.sampled_from([0, 0, LAG // 2, LAG])
row = st.tuples(st.sampled_from(STREAMS), st.integers(0, 5), st.integers(0, 99), lags)
minutes = st.sampled_from([0, 0, 3, 30])
rounds = st.tuples(
    st.lists(row, max_size=4),  # recorded before the pull
    minutes,  # until it begins
    st.lists(row, max_size=4),  # recorded between its pages
    minutes,  # that a page takes
    st.none() | st.integers(0, 9),  # steps after which it is killed
)


@settings(max_examples=40, deadline=None)
@given(some=st.lists(rounds, min_size=1, max_size=5), skew=st.sampled_from([-SKEW, 0, SKEW]))
def test_after_a_quiet_pull_nothing_is_missing_and_nothing_is_twice(
    some: list[tuple[list[Recorded], int, list[Recorded], int, int | None]], skew: int
) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name) / "pulled"
        with closing(SqliteSource(Path(name) / "crm.sqlite", skew=skew)) as crm:
            for before, wait, during, slow, dies_at in some:
                for each in before:
                    crm.record(*each)
                    crm.now += 1
                crm.now += wait * MINUTE
                disturbed_pull(crm, folder, patch, during, slow, dies_at)
            crm.now += LAG
            pull(crm, folder, now=crm.now)
            assert on_disk(folder) == crm.truth()


def disturbed_pull(
    crm: SqliteSource,
    folder: Path,
    patch: pytest.MonkeyPatch,
    rows: list[Recorded],
    slow: int,
    dies_at: int | None,
) -> None:
    """Pull while rows are recorded between pages; the process may be killed at any step."""
    waiting = list(rows)
    step = dying_after(10_000 if dies_at is None else dies_at)

    def between() -> None:
        step()
        crm.now += slow * MINUTE
        if waiting:
            crm.record(*waiting.pop())

    def replace(part: Path, path: Path) -> None:
        step()
        os.rename(part, path)
        step()

    crm.between = between
    with patch.context() as inner:
        inner.setattr(os, "replace", replace)
        with suppress(Killed):
            pull(crm, folder, now=crm.now)
    crm.between = lambda: None
    crm.now += 1


def test_what_comes_in_behind_the_reader_is_read_by_the_next_pull(tmp_path: Path) -> None:
    with closing(SqliteSource(tmp_path / "crm.sqlite", skew=0)) as crm:
        crm.record("leads", 1, 1, 0)
        crm.record("lead_history", 1, 1, 0)

        # Twenty minutes a page: a lead whose page was read already, then a change that was not.
        coming: list[Recorded] = [("lead_history", 2, 1, 0), ("leads", 0, 1, 0)]

        def between() -> None:
            crm.now += 20 * MINUTE
            if coming:
                crm.record(*coming.pop())

        crm.between = between
        pull(crm, tmp_path / "pulled", now=crm.now)
        assert set(on_disk(tmp_path / "pulled")["leads"]) == {"1"}
        assert set(on_disk(tmp_path / "pulled")["lead_history"]) == {"1", "2"}
        pull(crm, tmp_path / "pulled", now=crm.now)
        assert on_disk(tmp_path / "pulled") == crm.truth()


def test_a_watermark_of_another_crm_is_refused(tmp_path: Path) -> None:
    with closing(SqliteSource(tmp_path / "crm.sqlite", skew=0)) as crm:
        crm.record("leads", 1, 1, 0)
        pull(crm, tmp_path / "pulled", now=crm.now)
        crm.origin = "another"
        with pytest.raises(InputError, match="was pulled from sqlite for the test"):
            pull(crm, tmp_path / "pulled", now=crm.now)


def test_two_pulls_at_once_are_kept_apart(tmp_path: Path) -> None:
    with closing(SqliteSource(tmp_path / "crm.sqlite", skew=0)) as crm:
        crm.record("leads", 1, 1, 0)

        def between() -> None:
            crm.between = lambda: None
            with pytest.raises(OutsideError, match="another pull"):
                pull(crm, tmp_path / "pulled", now=crm.now)

        crm.between = between
        assert pull(crm, tmp_path / "pulled", now=crm.now).counts["leads"].total == 1


def test_a_quiet_night_writes_no_file_again(tmp_path: Path) -> None:
    with closing(SqliteSource(tmp_path / "crm.sqlite", skew=0)) as crm:
        crm.record("leads", 1, 1, 0)
        first = pull(crm, tmp_path / "pulled", now=crm.now)
        inode = first.paths["leads"].stat().st_ino
        second = pull(crm, tmp_path / "pulled", now=crm.now)
        assert (first.counts["leads"].new, second.counts["leads"].new) == (1, 0)
        assert second.paths["leads"].stat().st_ino == inode


def test_what_could_not_be_read_last_time_is_read_from_the_beginning(tmp_path: Path) -> None:
    with closing(SqliteSource(tmp_path / "crm.sqlite", skew=0)) as crm:
        for kind in STREAMS:
            crm.record(kind, 1, 1, 0)
        crm.now += OVERLAP * 9
        crm.record("leads", 2, 1, 0)
        crm.gaps = {"events": "no right"}
        pull(crm, tmp_path / "pulled", now=crm.now)
        since = pulling._since(tmp_path / "pulled", crm.origin)
        assert since.of("events") is None
        assert since.of("leads") == crm.now - OVERLAP
