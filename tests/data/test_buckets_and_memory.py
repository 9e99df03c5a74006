import numpy as np
import pyarrow as pa
import pytest
import xxhash

from data.buckets import BUCKETS, Part, buckets_of
from data.errors import InputError
from data.memory import memory_budget
from data.part import renumbered


def test_parts_hold_every_bucket_once_whatever_their_number() -> None:
    every = np.arange(BUCKETS, dtype=np.uint8)
    for of in (1, 7, 64, 256):
        held = np.sum([Part(number, of).holds(every) for number in range(1, of + 1)], axis=0)
        assert (held == 1).all()


def test_leads_of_one_account_share_a_bucket_and_others_have_their_own_ids() -> None:
    leads, accounts = pa.array(["a", "b", "ç"]), pa.array(["x", "x", None])
    first, second, third = buckets_of(leads, accounts).tolist()
    assert first == second == xxhash.xxh64_intdigest(b"x") % 256
    assert third == xxhash.xxh64_intdigest("ç".encode()) % 256


@pytest.mark.parametrize("text", ["0/3", "4/3", "1/257", "x/3", "3", "1/0"])
def test_a_part_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="part"):
        Part.read(text)


def test_memory_is_read_in_the_usual_units() -> None:
    assert memory_budget("8GB") == 8_000_000_000
    assert memory_budget("512 MiB") == 512 * 2**20
    assert memory_budget(None) > 0
    for text in ("8", "lots", "1MB", "-2GB"):
        with pytest.raises(InputError, match="memory"):
            memory_budget(text)


@pytest.mark.parametrize("kind", [np.int16, np.int32, np.int64])
@pytest.mark.parametrize("codes", [[], [-1, -1], [2, -1, 0, 2], [5, 9, 9, -1, 7], [30_000, 4]])
def test_codes_are_renumbered_in_their_order_near_or_far_apart(
    kind: type, codes: list[int]
) -> None:
    new, kept = renumbered(np.array(codes, kind))
    assert kept.tolist() == sorted({code for code in codes if code >= 0})
    assert new.dtype == kind
    assert [int(kept[code]) if code >= 0 else -1 for code in new] == codes
