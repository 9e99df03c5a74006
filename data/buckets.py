"""What belongs together -> one of 256 buckets, by a hash that never changes.

A part i of n is a run of buckets. Leads of one account share a bucket, so that what is computed
from an account's leads is computed within one part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash
from numpy.typing import NDArray

from data.errors import InputError

BUCKETS: Final = 256
_AT_ONCE: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Part:
    """Part `number` (from 1) of `of`: the buckets `first` to `past` - 1.

    InputError where there is no such part.
    """

    number: int
    of: int

    def __post_init__(self) -> None:
        """Refuse parts that do not exist."""
        if not 1 <= self.of <= BUCKETS or not 1 <= self.number <= self.of:
            raise InputError(
                f"there is no part {self.number} of {self.of}",
                cure=f"parts are numbered from 1, and there are {BUCKETS} at most",
            )

    @classmethod
    def read(cls, text: str) -> Part:
        """Read "3/16"; InputError where it is none."""
        number, _, of = text.partition("/")
        if not (number.strip().isdecimal() and of.strip().isdecimal()):
            raise InputError(f"{text!r} is no part", cure="written as 3/16: the third of sixteen")
        return cls(int(number), int(of))

    @property
    def first(self) -> int:
        """The first bucket."""
        return BUCKETS * (self.number - 1) // self.of

    @property
    def past(self) -> int:
        """The bucket after the last."""
        return BUCKETS * self.number // self.of

    def is_of_groups(self, n: int) -> bool:
        """Tell whether it begins and ends where a group does: n groups of as many buckets each."""
        return self.first * n % BUCKETS == self.past * n % BUCKETS == 0

    def holds(self, buckets: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Mark what belongs to this part: (n,)."""
        return (buckets >= self.first) & (buckets < self.past)


def buckets_of(leads: pa.Array, accounts: pa.Array | None = None) -> NDArray[np.uint8]:
    """Find the bucket of each lead, by its account's id where it has one: (n,).

    The hash is the lowest byte of xxh64 of the UTF-8 text, as in any language's library.
    """
    texts = leads.cast(pa.string())
    if accounts is not None:
        texts = pc.coalesce(accounts.cast(pa.string()), texts)
    return (hashes_of(texts) % BUCKETS).astype(np.uint8)


def hashes_of(texts: pa.Array) -> NDArray[np.uint64]:
    """Hash texts, none of them missing: (n,) xxh64 of the UTF-8."""
    hashes = np.empty(len(texts), np.uint64)
    for at in range(0, len(texts), _AT_ONCE):
        some = texts[at : at + _AT_ONCE].to_pylist()  # all at once would take six times the texts
        hashes[at : at + len(some)] = [xxhash.xxh64_intdigest(text.encode()) for text in some]
    return hashes
