"""API keys: shown once, kept as SHA-256 hashes, compared in constant time.

A key carries 256 bits of its own randomness, so one round of SHA-256 is enough: there is nothing
to guess that a slow password hash would protect.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from data.errors import InputError
from data.files import write_text
from serving.upkeep.upkeep_lock import only_upkeep
from training.state import StatePaths

PREFIX = "ls_"


def digest(key: str) -> str:
    """Hash a key for storage and comparison."""
    return hashlib.sha256(key.encode()).hexdigest()


def read_keys(path: Path) -> dict[str, str]:
    """Read name -> hash, none where there is no file; InputError where it holds something else."""
    try:
        keys = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:
        raise InputError(f"is no JSON: {error}", file=str(path)) from error
    if not isinstance(keys, dict) or not all(isinstance(value, str) for value in keys.values()):
        raise InputError("must map the name of a key to its SHA-256 hash", file=str(path))
    return keys


def new_key(path: Path, name: str) -> str:
    """Make a key, keep its hash under `name`, return the key: it can't be shown again."""
    key = PREFIX + secrets.token_urlsafe(32)
    with _changed(path) as keys:
        if name in keys:
            raise InputError(f"there is a key named {name!r} already", file=str(path))
        keys[name] = digest(key)
    return key


def revoke_key(path: Path, name: str) -> None:
    """Take a key away, also from a service that runs; InputError where none has the name."""
    keys = read_keys(path)
    if name not in keys:
        known = f"there are {', '.join(sorted(keys))}" if keys else "there is none at all"
        raise InputError(f"there is no key named {name!r}: {known}", file=str(path))
    with _changed(path) as newest:
        newest.pop(name, None)


@contextmanager
def _changed(path: Path) -> Iterator[dict[str, str]]:
    """Read the keys, and write them as the block leaves them; others wait meanwhile."""
    with only_upkeep(StatePaths(path.parent)):
        keys = read_keys(path)
        yield keys
        write_text(path, json.dumps(keys, indent=1) + "\n")
        path.chmod(0o600)


class KeyFile(Mapping[str, str]):
    """The keys of a file, read again when it changes: a key that is revoked opens nothing more.

    While the file cannot be read there are no keys.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mark: tuple[int, int, int] | None = None
        self._keys: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        return self._current()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._current())

    def __len__(self) -> int:
        return len(self._current())

    def _current(self) -> dict[str, str]:
        try:
            found = self.path.stat()
            mark = (found.st_ino, found.st_mtime_ns, found.st_size)
            if mark != self._mark:
                self._keys, self._mark = read_keys(self.path), mark
        except (OSError, InputError):
            self._keys, self._mark = {}, None
        return self._keys


def owner_of(key: str, keys: Mapping[str, str]) -> str | None:
    """Name the key's owner, or None; compares every hash, so that timing reveals nothing."""
    digest_given, owner = digest(key), None
    for name, kept in keys.items():
        if hmac.compare_digest(digest_given, kept):
            owner = name
    return owner
