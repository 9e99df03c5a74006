"""Read from a CRM what is new -> leads.parquet, events.parquet, lead_history.parquet.

The invariant, which tests/serving/crm/pull/test_pull_law.py tests: **after a pull, every
row that was recorded in the CRM at `until` or earlier is on disk, once, in a state no older than
that, where `until` is the watermark on disk.** It holds because

- `until` never passes the moment at which a pull began, less `OVERLAP`: whatever was recorded while
  pages were being read lies after it, and is read by the next pull;
- rows are on disk before the watermark moves, and are merged by id: a pull that is killed is read
  again from the old watermark, and reading twice changes nothing.

It needs the clocks of the CRM and of this machine, and the time a CRM takes to show what it
recorded, to agree within `OVERLAP` together.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from data.durations import MINUTE
from data.errors import InputError, OutsideError
from data.files import whole_file
from serving.crm.crm_rows import KINDS, Kind, Readable, Since
from serving.crm.interface import CrmError
from serving.crm.pull.forgotten import Forgotten
from serving.crm.pull.spool import SPOOLED, Count, Spool, lock_folder

OVERLAP: Final = 10 * MINUTE
"""Microseconds by which clocks may differ, or a CRM may be late in showing what it recorded."""
_WATERMARK: Final = "watermark.json"


@dataclass(frozen=True, slots=True)
class Pulled:
    """Per kind, how many rows are new and in all, and their file; `gaps` say what was not read.

    `back` are the ids of leads that were forgotten here and that the CRM still has.
    """

    counts: dict[Kind, Count]
    paths: dict[Kind, Path]
    gaps: tuple[str, ...]
    back: tuple[str, ...] = ()


def pull(
    crm: Readable,
    folder: Path,
    *,
    now: int,
    as_of: int | None = None,
    on_rows: Callable[[int], None] = lambda _: None,
) -> Pulled:
    """Read what was recorded since the last pull into `folder`, late records included.

    `now` is the moment at which the pull begins, `as_of` a past one: then everything is read as it
    was, into a folder without a pull in it (both microseconds UTC). `on_rows` is called with the
    number of rows read so far. OutsideError where the CRM or the disk fails: what is on disk then
    is whole, and the next run reads on. InputError where the folder belongs to another CRM.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with lock_folder(folder):
            return _pull(crm, folder, now, as_of, on_rows)
    except CrmError as error:
        raise OutsideError(f"reading from {crm.origin} failed: {error}", cure="run again") from None
    except OSError as error:
        raise OutsideError(f"{folder} cannot be written: {error.strerror}") from None
    except duckdb.Error as error:
        first = str(error).splitlines()[0][:200]
        raise OutsideError(
            f"{folder} cannot be written: {first}", cure="free space, run again"
        ) from None


def _pull(
    crm: Readable, folder: Path, now: int, as_of: int | None, on_rows: Callable[[int], None]
) -> Pulled:
    paths: dict[Kind, Path] = {kind: folder / f"{kind}.parquet" for kind in KINDS}
    if as_of is not None and any(path.exists() for path in paths.values()):
        raise InputError(
            "holds a pull already", file=folder.name, cure="a past moment needs a new folder"
        )
    if as_of is not None and as_of > now:
        raise InputError("lies in the future", column="--as-of", cure="leave it out")
    since = Since() if as_of is not None else _since(folder, crm.origin)
    forgotten = Forgotten.of(folder)
    newest = read = 0
    with closing(Spool(folder / SPOOLED)) as spool:
        for page in crm.read(since, as_of=as_of):
            spool.add(page.kind, forgotten.sift(page))
            read += len(page.rows)
            on_rows(read)
            stamps = (row.get("changed_at") for row in page.rows)
            newest = max([newest, *(at for at in stamps if isinstance(at, int))])
        back = forgotten.back()
        for kind, row in (each for rows in back.values() for each in rows):
            spool.add(kind, [row])
        counts = {kind: spool.merge(kind, path) for kind, path in paths.items()}
    forgotten.drop(back)  # before the watermark: after a kill here they are read again
    if as_of is None and newest:
        # Where this machine's clock runs ahead, the newest stamp says what the CRM's clock says.
        until = max(since.until or 0, min(now, newest) - OVERLAP)
        _write_watermark(folder, {"crm": crm.origin, "until": until, "gaps": sorted(crm.gaps)})
    written = {kind: path for kind, path in paths.items() if path.exists()}
    return Pulled(counts, written, tuple(crm.gaps.values()), tuple(back))


def _since(folder: Path, origin: str) -> Since:
    """Read the watermark, and what could not be read last time."""
    path = folder / _WATERMARK
    if not path.exists():
        return Since()
    try:
        watermark = json.loads(path.read_text(encoding="utf-8"))
        since = Since(int(watermark["until"]), frozenset(watermark["gaps"]))
        pulled_from = str(watermark["crm"])
    except (ValueError, RecursionError, TypeError, KeyError):
        raise InputError(
            "is no watermark", file=path.name, cure="remove it: all is read again"
        ) from None
    if pulled_from != origin:
        raise InputError(
            f"says that the folder was pulled from {pulled_from}, not from {origin}",
            file=path.name,
            cure="give another folder with --out",
        )
    return since


def _write_watermark(folder: Path, watermark: Mapping[str, object]) -> None:
    with whole_file(folder / _WATERMARK) as part:
        part.write_text(json.dumps(watermark), encoding="utf-8")
