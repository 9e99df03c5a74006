"""Bytes that hold names and addresses of people <-> bytes that only readers of the source can read.

The key comes from the source itself: whoever may not read the CRM's export learns nothing from the
store. The stream is SHAKE-256's; the nonce is a keyed hash of the bytes, so that the same bytes are
sealed alike and no two are sealed with one stream.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

_NONCE: Final = 32
_HEAD: Final = 1 << 16


def key_of(heads: Iterable[bytes]) -> bytes:
    """Make the key of a source from what its files begin with, or from what a database answered."""
    state = hashlib.sha256(b"leadscore store")
    for head in heads:
        state.update(hashlib.sha256(head).digest())
    return state.digest()


def head_of(path: Path) -> bytes:
    """Read what a file begins with; OSError where it cannot be read."""
    with path.open("rb") as file:
        return file.read(_HEAD)


def seal(plain: bytes, key: bytes) -> bytes:
    """Seal bytes: nonce, then as many bytes as they are."""
    nonce = hashlib.blake2b(plain, key=key, digest_size=_NONCE).digest()
    return nonce + _mixed(plain, key, nonce)


def open_sealed(sealed: bytes, key: bytes) -> bytes:
    """Give back what was sealed; ValueError where it was sealed with another key, or is damaged."""
    nonce = sealed[:_NONCE]
    plain = _mixed(sealed[_NONCE:], key, nonce)
    if hashlib.blake2b(plain, key=key, digest_size=_NONCE).digest() != nonce:
        raise ValueError("sealed otherwise, or damaged")
    return plain


def _mixed(data: bytes, key: bytes, nonce: bytes) -> bytes:
    stream = hashlib.shake_256(key + nonce).digest(len(data))
    mixed = np.frombuffer(data, np.uint8) ^ np.frombuffer(stream, np.uint8)
    return mixed.tobytes()


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
