"""The format of a state folder: written into a new one, and an older one brought here.

Format 1, of November 2026, has no `state.json`, and files that others may read. Live pages of
formats 2 and 3 are laid out in other tables. The ledger has a version of its own
(serving/writeback/ledger_tables.py), and so has MLflow's store.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from typing import Final

from data.errors import InputError, OutsideError
from data.files import write_text
from training.state import StatePaths

FORMAT: Final = 4


def require_writable(state: StatePaths) -> None:
    """Raise OutsideError where the state folder, or the folder to make it in, can't be written."""
    nearest = next(each for each in (state.folder, *state.folder.parents) if each.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise OutsideError(
            f"{state.folder} can't be written: {nearest} is no folder that we may write into",
            cure="look at its rights and at the disk, or give another --state",
        )


def make_folder(state: StatePaths) -> None:
    """Make the state folder, the one place that does: for its user alone, its format noted.

    Whoever writes the first file into it asks for this before. OutsideError where it can't be.
    """
    require_writable(state)
    try:
        state.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = not any(state.folder.iterdir())
        if new:  # also one that somebody else made for us
            state.folder.chmod(0o700)
    except OSError as error:
        raise OutsideError(
            f"{state.folder} can't be written: {error.strerror}", cure="choose another place"
        ) from error
    if new:
        _note(state)


def format_of(state: StatePaths) -> int:
    """Read the format of a folder; OutsideError where it cannot be told."""
    try:
        return int(json.loads(state.format.read_text(encoding="utf-8"))["format"])
    except FileNotFoundError:
        return 1
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        raise OutsideError(
            f"{state.format} can't be read", cure="restore it from a backup"
        ) from None


def bring_up_to_date(state: StatePaths) -> None:
    """Migrate an older folder, step by step; one that can't be written is left as it is.

    InputError where a newer leadscore wrote it.
    """
    if not state.folder.is_dir():
        return
    found = format_of(state)
    if found > FORMAT:
        raise InputError(
            f"{state.folder} has format {found}, this leadscore knows {FORMAT}",
            cure="run the leadscore that wrote it, or a newer one",
        )
    if found == FORMAT or not os.access(state.folder, os.W_OK):
        return
    for step in range(found, FORMAT):
        _STEPS[step](state)
    _note(state)


def readable_by_others(state: StatePaths) -> list[str]:
    """Name what others than its user may open in the folder: paths below it, "." for itself."""
    found = [path for path in state.folder.rglob("*") if not path.is_symlink()]
    open_ = [path for path in (state.folder, *sorted(found)) if path.stat().st_mode & 0o077]
    return [str(path.relative_to(state.folder)) for path in open_]


def make_private(state: StatePaths) -> int:
    """Take rights of others away; count what had any that mattered."""
    names = readable_by_others(state)
    for name in names:
        path = state.folder / name
        path.chmod(path.stat().st_mode & 0o700)
    return len(names)


def _close_to_others(state: StatePaths) -> None:
    """Format 1 -> 2: the folder belongs to its user alone."""
    state.folder.chmod(state.folder.stat().st_mode & 0o700)


def _drop_pages(state: StatePaths) -> None:
    """Format 2 -> 3 -> 4: pages of other tables go; a night or `report` writes them again."""
    shutil.rmtree(state.pages, ignore_errors=True)


def _note(state: StatePaths) -> None:
    write_text(state.format, json.dumps({"format": FORMAT}) + "\n")


_STEPS: Final[Mapping[int, Callable[[StatePaths], None]]] = {
    1: _close_to_others,
    2: _drop_pages,
    3: _drop_pages,
}
"""What brings a folder of each format to the next."""
