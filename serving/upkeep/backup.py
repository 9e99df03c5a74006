"""A state folder, while jobs run -> one archive with hashes; and back into an empty folder.

No job is stopped. Each database is copied as one moment by SQLite itself, other files are replaced
whole by their writers, and the order of `training.state.KEPT` makes the set consistent: scores are
copied before the registry that knows their model, and that before the artifacts that it names.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final

from data.clock import iso
from data.errors import InputError, OutsideError
from data.files import replacing, sync_folder
from serving.upkeep.upkeep_lock import only_upkeep
from training.state import KEPT, StatePaths
from training.state_format import FORMAT, format_of

LISTING: Final = "backup.json"
_LONGEST_LISTING: Final = 100_000_000
_KEPT_FREE: Final = 100_000_000
"""Bytes of the disk that a restore leaves free."""
_SQLITE: Final = b"SQLite format 3\0"
_BESIDE: Final = ("-wal", "-shm", "-journal", ".lock", ".part")
"""What lies beside a database or belongs to a job that runs."""


@dataclass(frozen=True, slots=True)
class BackupListing:
    """What an archive holds: the project, its format, when it was made, a hash of each file."""

    project: str
    format: int
    made_at: str
    files: Mapping[str, str]

    @classmethod
    def read(cls, raw: bytes) -> BackupListing:
        """Read backup.json; InputError where it is something else."""
        try:
            given = json.loads(raw)
            files = {str(name): str(digest) for name, digest in given["files"].items()}
            return cls(str(given["project"]), int(given["format"]), str(given["made_at"]), files)
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
            raise InputError("is no listing of a backup", file=LISTING) from None


def back_up(state: StatePaths, project: str, archive: Path, *, at: int) -> BackupListing:
    """Write the archive whole or not at all, and over none that is there.

    InputError where there is nothing to keep, or an archive of that name.
    """
    if not state.folder.is_dir():
        raise InputError("there is no state folder yet", file=str(state.folder))
    if archive.exists():
        raise InputError(
            "is there already, and nothing is written over",
            file=str(archive),
            cure="move it away, or give another --out",
        )
    hashes: dict[str, str] = {}
    with (
        only_upkeep(state),
        replacing(archive) as part,
        tempfile.TemporaryDirectory(dir=archive.parent, prefix=".backup.") as place,
        tarfile.open(part, "w:gz", compresslevel=1) as packed,
    ):
        part.chmod(0o600)
        for path in _kept(state.folder):
            name = path.relative_to(state.folder).as_posix()
            copied = _copy(path, Path(place) / "copy")
            if copied is not None:
                hashes[name] = _add(packed, copied, name)
        if not hashes:
            raise InputError("holds nothing to back up", file=str(state.folder))
        listing = BackupListing(project, format_of(state), iso(at), hashes)
        whole = {
            "project": project,
            "format": listing.format,
            "made_at": listing.made_at,
            "leadscore": version("leadscore"),
            "files": hashes,
        }
        raw = (json.dumps(whole, indent=1, sort_keys=True) + "\n").encode()
        packed.addfile(_entry(LISTING, len(raw)), BytesIO(raw))
    return listing


def restore(state: StatePaths, project: str, archive: Path) -> BackupListing:
    """Unpack an archive into a state folder that is not there yet, whole or not at all.

    InputError where the archive is damaged, of another project or of a later format, or where the
    folder holds something.
    """
    target = state.folder
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(
            "is there already, and nothing is written over",
            file=str(target),
            cure="move it away, or give another --state",
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        killed = f".{glob.escape(target.name)}.*.part"
        for left in target.parent.glob(killed):  # of a restore that was killed
            shutil.rmtree(left)
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
    except OSError as error:
        raise OutsideError(f"{target.parent} can't be written: {error.strerror}") from error
    try:
        listing = _unpack(archive, work, project)
        if target.is_dir():
            target.rmdir()  # empty: it was looked at above
        os.replace(work, target)
        sync_folder(target.parent)
    except OSError as error:
        raise OutsideError(
            f"{target} can't be written: {error.strerror or error}", cure="free space, run again"
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return listing


def _kept(folder: Path) -> Iterator[Path]:
    """List the files to keep, in their order; those of running jobs are left out."""
    for pattern in KEPT:
        for path in sorted(folder.glob(pattern)):
            if path.name in KEPT and path.name != pattern:
                continue  # it has a place of its own
            for file in _files(path):
                hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
                if not hidden and not file.name.endswith(_BESIDE) and not file.is_symlink():
                    yield file


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for place, folders, names in os.walk(path):
        folders.sort()
        yield from (Path(place, name) for name in sorted(names))


def _copy(path: Path, copy: Path) -> Path | None:
    """Copy a file as it is at one moment; None where a job has removed it meanwhile."""
    copy.unlink(missing_ok=True)
    try:
        with path.open("rb") as given:
            if given.read(len(_SQLITE)) == _SQLITE:
                return _copy_database(path, copy)
            given.seek(0)
            with copy.open("wb") as kept:
                shutil.copyfileobj(given, kept)
        return copy
    except FileNotFoundError:
        return None


def _copy_database(path: Path, copy: Path) -> Path:
    try:
        with (
            closing(
                sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=60)
            ) as own,
            closing(sqlite3.connect(copy)) as kept,
        ):
            own.backup(kept)
            sound = kept.execute("pragma quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        raise OutsideError(
            f"{path} can't be copied beside the archive, in {copy.parent.parent}: {error}",
            cure="free space there; else leadscore doctor looks at the file",
        ) from error
    if sound != "ok":
        raise OutsideError(f"{path} is damaged: {sound}", cure="leadscore doctor")
    return copy


def _add(packed: tarfile.TarFile, copied: Path, name: str) -> str:
    with copied.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        packed.addfile(_entry(name, copied.stat().st_size), file)
    return digest


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o600
    return entry


def _unpack(archive: Path, work: Path, project: str) -> BackupListing:
    """Unpack into a folder and compare every hash; InputError names what is wrong."""
    hashes: dict[str, str] = {}
    raw: bytes | None = None
    try:
        with tarfile.open(archive, "r:gz") as packed:
            for entry in packed:
                plain = entry.type in (tarfile.REGTYPE, tarfile.AREGTYPE)  # no link, no sparse file
                file = packed.extractfile(entry) if plain else None
                if file is None or not _is_plain(entry.name):
                    raise InputError(
                        f"holds what no backup does: {entry.name[:80]!r}", file=archive.name
                    )
                _require_room(entry, work)
                if entry.name == LISTING:
                    raw = file.read(_LONGEST_LISTING)
                else:
                    hashes[entry.name] = _write(file, work / entry.name)
    except FileNotFoundError:
        raise InputError("file not found", file=str(archive)) from None
    except (tarfile.TarError, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise _damaged(archive, str(error)) from None
    if raw is None:
        raise _damaged(archive, f"it lacks {LISTING}, and was cut")
    listing = BackupListing.read(raw)
    if listing.project != project:
        raise InputError(
            f"is a backup of project {listing.project!r}, not of {project!r}", file=archive.name
        )
    if listing.format > FORMAT:
        raise InputError(
            f"has format {listing.format}, this leadscore knows {FORMAT}",
            file=archive.name,
            cure="restore it with the leadscore that wrote it, or a newer one",
        )
    wrong = next(
        (n for n in {**listing.files, **hashes} if listing.files.get(n) != hashes.get(n)), None
    )
    if wrong is not None:
        raise _damaged(archive, f"{wrong} is not what was backed up")
    return listing


def _write(file: IO[bytes], place: Path) -> str:
    digest: Any = hashlib.sha256()
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("xb") as kept:
        while block := file.read(1 << 20):
            digest.update(block)
            kept.write(block)
        kept.flush()
        os.fsync(kept.fileno())
    return str(digest.hexdigest())


def _require_room(entry: tarfile.TarInfo, work: Path) -> None:
    """Refuse what would fill the disk under running jobs, before it is unpacked."""
    free = shutil.disk_usage(work).free
    if entry.size > free - _KEPT_FREE:
        raise OutsideError(
            f"{entry.name[:80]!r} of the backup takes {entry.size / 1e6:,.0f} MB, "
            f"{free / 1e6:,.0f} MB are free in {work.parent}",
            cure="make room, or restore to another --state",
        )


def _is_plain(name: str) -> bool:
    path = PurePosixPath(name)
    outside = path.is_absolute() or ".." in path.parts
    return bool(name) and not outside and not set(name) & {"\\", "\0"}


def _damaged(archive: Path, why: str) -> InputError:
    return InputError(f"is damaged: {why}", file=archive.name, cure="take another backup")
