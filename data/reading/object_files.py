"""Objects at `s3://bucket/key` -> files that are read over the network, range by range."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Final, TypeAlias, cast

from data.errors import InputError, OutsideError
from data.network import Host, require_named, scheme_of
from data.private import mask
from data.reading.object_store import (
    AGAIN,
    REPLACED,
    WAITS_S,
    ObjectStore,
    endpoint,
    parsed,
    refusal,
)
from data.reading.s3_signature import quoted_path

if TYPE_CHECKING:  # only who reads objects loads an HTTP client
    import httpx

SCHEME: Final = "s3"
_ADDRESS: Final = re.compile(
    r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(?P<key>[^\x00-\x1f\x7f]+)"
)
_WILD: Final = re.compile(r"[*?[]")
_PAGES: Final = 100
_LISTED: Final = ("Key", "Size", "LastModified", "ETag")
_HEAD: Final = 1 << 16
_AHEAD: Final = 8 << 20
_NO_STORE: Final = "look whether the endpoint is an object store"


@dataclass(frozen=True, slots=True)
class ObjectFile:
    """One object as it stood when it was looked up; another in its place is never read for it."""

    store: ObjectStore = field(repr=False)
    bucket: str
    key: str
    size: int
    modified: int  # nanoseconds
    etag: str
    begins: list[bytes] = field(default_factory=list, repr=False, compare=False)

    @property
    def name(self) -> str:
        """Its name without what is before it, as messages name a file."""
        return PurePosixPath(self.key).name

    @property
    def suffix(self) -> str:
        """What its name ends in, dot included."""
        return PurePosixPath(self.key).suffix

    @property
    def version(self) -> str:
        """What tells this version of it from any other."""
        return f"{self.etag or self.modified} {self.size}"

    @property
    def uri(self) -> str:
        """Its address as the project file would name it."""
        return f"{SCHEME}://{self.bucket}/{self.key}"

    def open(self, mode: str) -> IO[bytes]:
        """Open it for reading, "rb"; OutsideError while it is read, where the network fails."""
        assert mode == "rb"
        return cast(IO[bytes], io.BufferedReader(RangeReader(self), _HEAD))

    def read(self, client: httpx.Client, start: int, size: int) -> bytes:
        """Read a range that lies within it; OutsideError where that cannot be had."""
        headers = {"range": f"bytes={start}-{start + size - 1}"}
        if self.etag:
            headers["if-match"] = self.etag
        path = quoted_path(f"/{self.bucket}/{self.key}")
        for _ in range(len(WAITS_S) + 1):
            answer = self.store.ask(client, "GET", path, headers=headers, most=max(size, _HEAD))
            whole = answer.status == 200 and size == self.size
            if answer.status != 206 and not whole:
                raise refusal(answer, self.uri, self.store)
            if self.etag and answer.headers.get("etag", self.etag) != self.etag:
                raise OutsideError(REPLACED.format(self.uri), cure="run it again")
            if len(answer.body) == size:
                return answer.body
        raise OutsideError(f"{self.uri}: the store sends less than the object holds", cure=AGAIN)


SourceFile: TypeAlias = Path | ObjectFile
"""A file on the disk, or an object: both have a name and a suffix, and are opened to be read."""


def size_of(file: SourceFile) -> int:
    """Count the bytes of a file; OSError where it is not there."""
    return file.size if isinstance(file, ObjectFile) else file.stat().st_size


class RangeReader(io.RawIOBase):
    """Reads an object from any place, further ahead the longer it is read in one go."""

    def __init__(self, file: ObjectFile) -> None:
        self._file, self._at, self._ahead = file, 0, _HEAD
        self._start, self._held = 0, b"".join(file.begins)
        self._client: httpx.Client | None = None

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Tell where the next byte is read."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        self._at = offset + {0: 0, 1: self._at, 2: self._file.size}[whence]
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer as far as the object goes; 0 at its end."""
        size = min(len(buffer), self._file.size - self._at)
        if size <= 0:
            return 0
        inside = self._at - self._start
        if not 0 <= inside < len(self._held):
            self._fetch(size)
            inside = 0
        part = self._held[inside : inside + size]
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)

    def _fetch(self, size: int) -> None:
        """Get a range from here on, and keep what an object begins with."""
        in_one_go = self._at == self._start + len(self._held) > 0
        self._ahead = min(2 * self._ahead, _AHEAD) if in_one_go else _HEAD
        if self._client is None:
            self._client = self._file.store.client()
        wanted = min(max(size, self._ahead), self._file.size - self._at)
        self._held, self._start = self._file.read(self._client, self._at, wanted), self._at
        if not self._at and not self._file.begins:
            self._file.begins.append(self._held[:_HEAD])

    def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.close()
            self._client = None
        super().close()


def is_object(source: str) -> bool:
    """Tell whether a source is at an object store."""
    return scheme_of(source) == SCHEME


def in_database(source: str) -> bool:
    """Tell whether a source is in a database: it is asked by a query, and has no file's name."""
    return scheme_of(source) not in ("", SCHEME)


def require_named_store(source: str, allow: Sequence[str]) -> list[Host]:
    """Refuse an address that names no object, and a store whose host [network] does not name.

    Nothing is asked of the network. InputError.
    """
    _parts_of(source)
    return require_named(endpoint()[0], allow)


def objects_of(source: str, allow: Sequence[str]) -> list[ObjectFile]:
    """Look up the object of an address, or all that match its `*`, in the order of their names.

    InputError where there is none or its host is not allowed, OutsideError where the store says no.
    """
    bucket, key = _parts_of(source)
    store = ObjectStore.of(allow)
    with store.client() as client:
        found = _WILD.search(key)
        if found is None:
            return [_look_up(store, client, bucket, key, source)]
        listed = _listed(store, client, bucket, key[: found.start()], source)
        files = [each for each in listed if _matches(each.key, key)]
    if not files:
        cure = "correct `source` in the project file"
        raise InputError("no object has such a name", file=source, cure=cure)
    return sorted(files, key=lambda each: each.key.split("/"))


def _parts_of(source: str) -> tuple[str, str]:
    """Part an address in (bucket, key)."""
    match = _ADDRESS.fullmatch(source)
    if match is None or set(match["key"].split("/")) & {".", ".."} or match["key"].endswith("/"):
        raise InputError(
            f"names no object: {mask(source)!r}",
            cure="write s3://bucket/folder/leads.parquet; keys are taken from the environment",
        )
    return match["bucket"], match["key"]


def _matches(key: str, pattern: str) -> bool:
    """Tell whether a key fits a pattern, whose `*` stays within one folder as in a path."""
    parts, wanted = key.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


def _look_up(
    store: ObjectStore, client: httpx.Client, bucket: str, key: str, source: str
) -> ObjectFile:
    path = quoted_path(f"/{bucket}/{key}")
    answer = store.ask(client, "HEAD", path)
    if answer.status != 200:
        # an answer to HEAD has no body: GET says why
        answer = store.ask(client, "GET", path, headers={"range": "bytes=0-0"})
        raise refusal(answer, source, store)
    said = answer.headers
    try:
        size = int(said["content-length"])
        modified = int(parsedate_to_datetime(said["last-modified"]).timestamp()) * 10**9
    except (KeyError, ValueError):
        raise OutsideError(f"{source}: no size or no date in the answer", cure=_NO_STORE) from None
    return ObjectFile(store, bucket, key, size, modified, said.get("etag", ""))


def _listed(
    store: ObjectStore, client: httpx.Client, bucket: str, prefix: str, source: str
) -> Iterator[ObjectFile]:
    """List the objects whose keys begin so, page by page."""
    query = {"list-type": "2", "prefix": prefix}
    for _ in range(_PAGES):
        answer = store.ask(client, "GET", quoted_path(f"/{bucket}"), query=query)
        if answer.status != 200:
            raise refusal(answer, source, store)
        try:
            page = parsed(answer.body)
            for each in page.findall("{*}Contents"):
                said = {name: each.findtext(f"{{*}}{name}", "") for name in _LISTED}
                modified = int(datetime.fromisoformat(said["LastModified"]).timestamp()) * 10**9
                if not said["Key"].endswith("/"):
                    yield ObjectFile(
                        store, bucket, said["Key"], int(said["Size"]), modified, said["ETag"]
                    )
        except ValueError:
            raise OutsideError(f"{source}: the answer is no listing", cure=_NO_STORE) from None
        token = page.findtext("{*}NextContinuationToken")
        if not token:
            return
        query["continuation-token"] = token
    raise InputError(
        f"over {_PAGES * 1_000:,} objects begin so", file=source, cure="put more before the *"
    )
