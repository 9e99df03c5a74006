"""Millions of ids, and the place of each: by their hashes, in little memory, block after block."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.buckets import hashes_of
from data.reading.match_ids import bare_ids


class NotInSlicesError(ValueError):
    """What the sources say must be decided by all leads together."""


@dataclass(slots=True)
class IdLookup:
    """Ids, none twice; their hashes ascending, (n,), and the place of each among the ids."""

    ids: pa.Array
    hashes: NDArray[np.uint64]
    places: NDArray[np.int64]
    _bare: NDArray[np.uint64] | None = field(default=None)

    @classmethod
    def of(cls, ids: pa.Array) -> IdLookup:
        """Hash the ids; NotInSlicesError where one stands twice (or two have one hash)."""
        hashes = hashes_of(ids)
        places = np.argsort(hashes, kind="stable")
        hashes = hashes[places]
        if (hashes[1:] == hashes[:-1]).any():
            raise NotInSlicesError("an id stands twice")
        return cls(ids, hashes, places)

    def rows(self, texts: pa.ChunkedArray) -> NDArray[np.int64]:
        """Find the place of each text: (n,) int64, -1 for an unknown or missing one.

        NotInSlicesError where an unknown one may be an id that is written otherwise.
        """
        coded = texts.combine_chunks().dictionary_encode()
        codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        rows: NDArray[np.int64] = np.append(self._places_of(coded.dictionary), -1)[codes]
        return rows

    def _places_of(self, words: pa.Array) -> NDArray[np.int64]:
        if not len(words) or not len(self.ids):
            return np.full(len(words), -1)
        hashed = hashes_of(words)
        at = _nearest(self.hashes, hashed)
        places = np.where(self.hashes[at] == hashed, self.places[at], -1)
        same = pc.equal(self.ids.take(pa.array(np.maximum(places, 0))), words)
        places[~same.to_numpy(zero_copy_only=False).astype(bool)] = -1
        lost = words.filter(pa.array(places < 0))
        if len(lost) and self._may_be_known(lost):
            raise NotInSlicesError("ids are written in several ways")
        return places

    def _may_be_known(self, lost: pa.Array) -> bool:
        """Tell whether an id is one of these but for what other programs add or take away."""
        if self._bare is None:
            self._bare = np.sort(hashes_of(bare_ids(self.ids)))
        hashed = hashes_of(bare_ids(lost))
        return bool((self._bare[_nearest(self._bare, hashed)] == hashed).any())


def _nearest(hashes: NDArray[np.uint64], wanted: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Find where each hash would stand among ascending ones: (n,), always a place of theirs."""
    return np.minimum(np.searchsorted(hashes, wanted), len(hashes) - 1)
