"""Tables with names and addresses of people <-> bytes that only readers of the source can read.

The key comes from the source itself: whoever may not read the CRM's export learns nothing from the
store. AES-SIV (RFC 5297) seals the same bytes alike, so that readings share their files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

import pyarrow as pa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from data.reading.object_files import SourceFile

_TAG: Final = 16
_BLOCK: Final = 1 << 30
"""Bytes sealed at a time: the library takes less than 2 GiB."""
_HEAD: Final = 1 << 16


def key_of(heads: Iterable[bytes]) -> bytes:
    """Make the key of a source from what its files begin with, or from what a database answered."""
    state = hashlib.sha512(b"leadscore store")
    for head in heads:
        state.update(hashlib.sha256(head).digest())
    return state.digest()


def head_of(path: SourceFile) -> bytes:
    """Read what a file begins with; OSError, of an object OutsideError, where that fails."""
    with path.open("rb") as file:
        return file.read(_HEAD)


def seal(plain: bytes, key: bytes) -> bytes:
    """Seal bytes, block by block."""
    cipher, blocks = AESSIV(key), range(0, max(len(plain), 1), _BLOCK)
    return b"".join(cipher.encrypt(plain[at : at + _BLOCK], [b"%d" % at]) for at in blocks)


def open_sealed(sealed: bytes, key: bytes) -> bytes:
    """Give back what was sealed; ValueError where it was sealed with another key, or is damaged."""
    cipher, step = AESSIV(key), _BLOCK + _TAG
    try:
        return b"".join(
            cipher.decrypt(sealed[i * step : (i + 1) * step], [b"%d" % (i * _BLOCK)])
            for i in range(-(-len(sealed) // step))
        )
    except InvalidTag:
        raise ValueError("sealed otherwise, or damaged") from None


def seal_table(table: pa.Table, key: bytes) -> bytes:
    """Seal a table, compressed."""
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return seal(sink.getvalue().to_pybytes(), key)


def open_table(sealed: bytes, key: bytes) -> pa.Table:
    """Give back a sealed table; ValueError as `open_sealed`."""
    return pa.ipc.open_stream(open_sealed(sealed, key)).read_all()
