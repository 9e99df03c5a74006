"""Write whole files or nothing: a reader never sees a half-written one."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data.errors import OutsideError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; move it into place only when the block succeeds.

    Its bytes are on the disk before it moves, and its name after, so that a power cut leaves the
    old file or the new one, and what is said to be written stays. OSError where the folder can't be
    written or the disk is full; the old file stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, part = _locked_part(path)
    try:
        if path.exists():
            part.chmod(stat.S_IMODE(path.stat().st_mode))  # who could read the old one may
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
        sync_folder(path.parent)
    finally:
        part.unlink(missing_ok=True)
        os.close(handle)


def open_to_readers_of_its_folder(path: Path) -> Path:
    """Let whoever may enter the folder of a file read it: what is meant for others to fetch."""
    readers = path.parent.stat().st_mode & 0o044
    path.chmod(stat.S_IMODE(path.stat().st_mode) | readers)
    return path


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk: what was moved into it stays after a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that knows no such thing
            raise
    finally:
        os.close(handle)


def _locked_part(path: Path) -> tuple[int, Path]:
    """Make a file beside `path`, locked for as long as its writer lives; the umask says for whom.

    Asking for the umask would change it, for other threads too; so it is left to the system.
    """
    while True:
        part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
        handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:  # else it was taken for a leftover before it was locked
            return handle, part
        os.close(handle)


def remove_leftovers(folder: Path) -> int:
    """Remove what killed writers left half-written in a folder and below it; count the files."""
    removed = 0
    for part in leftovers(folder):
        part.unlink(missing_ok=True)
        removed += 1
    return removed


def leftovers(folder: Path) -> Iterator[Path]:
    """Yield what killed writers left half-written in a folder and below it.

    A part is locked while its writer lives, so that the files of others are left alone; each is
    held locked until the next one is asked for.
    """
    for part in sorted(folder.rglob(".*.part")):
        try:
            handle = os.open(part, os.O_RDONLY)
        except OSError:
            continue  # it was moved into place, or belongs to somebody else
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield part
        except OSError:
            continue  # its writer lives
        finally:
            os.close(handle)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path as `whole_file` does, and raise OutsideError where it raises OSError."""
    begun = False
    try:
        with whole_file(path) as part:
            begun = True
            yield part
    except OSError as error:
        if begun:
            raise OutsideError(
                f"{path} can't be written: {error.strerror}; the old file is as it was",
                cure="free space or choose another place",
            ) from error
        raise OutsideError(
            f"{path.parent} can't be written: {error.strerror}", cure="choose another place"
        ) from error


def write_text(path: Path, text: str) -> Path:
    """Write UTF-8 text whole or not at all."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")
    return path


def write_bytes(path: Path, data: bytes) -> Path:
    """Write bytes whole or not at all."""
    with replacing(path) as part:
        part.write_bytes(data)
    return path
