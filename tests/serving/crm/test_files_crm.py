"""Scores into one file: replaced whole, so nothing of somebody else's may stand in it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.clock import DAY
from data.errors import InputError
from serving.crm.files.writer import FileCrm
from serving.crm.interface import FIELDS, Update

VALUES = {**dict.fromkeys(FIELDS), "score": 7, "band": "A", "as_of": DAY, "reasons": "=1+1"}


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_file_of_ours_is_read_back_and_keeps_all_leads(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"scores.{suffix}"
    for lead in ("L1", "L2"):
        with closing(FileCrm(path)) as crm:
            assert [answer.status for answer in crm.upsert([Update(lead, VALUES)])] == ["written"]
    read = FileCrm(path).read_scores(["L1", "L2", "L3"])
    assert {lead: dict(each.values) for lead, each in read.items()} == {"L1": VALUES, "L2": VALUES}


def test_an_empty_file_and_one_that_a_spreadsheet_saved_again_are_written(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    for raw in (b"", b"\xef\xbb\xbflead_id,score,band,as_of\r\nL1,7,A,\r\n"):
        path.write_bytes(raw)
        FileCrm(path).upsert([Update("L2", VALUES)])
        assert FileCrm(path).read_scores(["L2"])["L2"].values == VALUES


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (b"lead_id,company,phone\nL1,Acme,1\n", "has a column 'company'"),
        (b"score,band\n7,A\n", "has no column 'lead_id'"),
        (b"lead_id;score\nL1;7\n", "has a column 'lead_id;score'"),
        (b"lead_id,score\nL1,7\nL2,8,mine\n", "line 3 has 3 cells"),
        (b"lead_id,band\nL1,\xe9\n", "can't be read"),
    ],
)
def test_a_file_of_somebody_else_is_refused_and_stays(
    tmp_path: Path, raw: bytes, fault: str
) -> None:
    path = tmp_path / "leads.csv"
    path.write_bytes(raw)
    with pytest.raises(InputError, match=fault):
        FileCrm(path)
    assert path.read_bytes() == raw


def test_parquet_of_somebody_else_is_refused_too(tmp_path: Path) -> None:
    path = tmp_path / "leads.parquet"
    path.write_bytes(b"PAR1 nonsense")
    with pytest.raises(InputError, match="can't be read"):
        FileCrm(path)
    pq.write_table(pa.table({"lead_id": ["L1"], "phone": ["1"]}), path)
    with pytest.raises(InputError, match="has a column 'phone'"):
        FileCrm(path)
