"""What a forgotten lead leaves in a state folder: nothing, and nothing in pages that are free."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.errors import InputError
from data.reading.read_tables import CrmData
from models.explain.change import read_run
from serving.answers.answer_store import RepAnswer, list_answers, store_answer
from serving.forget import forget_lead
from serving.http.score_requests import Service, UnknownLeadError
from tests.fakes.november_state import November
from tests.golden.product import leadscore
from tests.test_canaries_in_every_column import contents
from training.state import StatePaths

WHO = "L0000003"


def test_the_feature_rows_of_earlier_runs_are_erased(tmp_path: Path) -> None:
    path = tmp_path / "scores" / "run" / "features.parquet"
    path.parent.mkdir(parents=True)
    ids = [f"L{number:07d}" for number in range(6)]
    table = pa.table({"size": pa.array(range(6), pa.float32()), "__lead_id": ids})
    about = {b"leadscore": b'{"model_version": "7", "as_of": 5}'}
    pq.write_table(table.replace_schema_metadata(about), path)
    assert forget_lead(StatePaths(tmp_path), WHO)["rows of scores"] == 1
    run = read_run(path)
    assert (run.model_version, run.as_of) == ("7", 5)
    assert run.lead_ids.tolist() == [lead for lead in ids if lead != WHO]
    assert run.frame["size"].tolist() == [0, 1, 2, 4, 5]


def test_what_a_rep_wrote_is_in_no_byte_of_the_file(tmp_path: Path) -> None:
    state = StatePaths(tmp_path)
    for lead, words in ((WHO, "her sister told us"), ("L0000004", "no budget")):
        store_answer(state.feedback, RepAnswer(lead, "wrong", words, "Ann", 1))
    assert forget_lead(state, WHO)["answers"] == 1
    assert [answer.lead_id for answer in list_answers(state.feedback)] == ["L0000004"]
    raw = state.feedback.read_bytes()
    assert b"no budget" in raw
    assert b"her sister told us" not in raw
    assert WHO.encode() not in raw


def test_its_arm_in_an_experiment_is_erased(tmp_path: Path) -> None:
    (tmp_path / "arms.csv").write_text(f'lead_id,arm\n001,score\n{WHO},control\n"a,b",score\n')
    assert forget_lead(StatePaths(tmp_path), WHO)["arms"] == 1
    assert (tmp_path / "arms.csv").read_text() == 'lead_id,arm\n001,score\n"a,b",score\n'


def test_its_dead_letter_is_erased_whatever_the_texts_hold(tmp_path: Path) -> None:
    path = tmp_path / "dead_letter.jsonl"
    lines = [
        json.dumps({"lead_id": lead, "cause": "no\x85such\u2028field"}, ensure_ascii=False) + "\n"
        for lead in ("L0000001", WHO)
    ]
    path.write_text("".join(lines), encoding="utf-8")
    assert forget_lead(StatePaths(tmp_path), WHO)["dead letters"] == 1
    assert path.read_text(encoding="utf-8") == lines[0]


def test_reports_are_removed_for_a_lead_that_they_name_and_for_no_mistyped_id(
    tmp_path: Path,
) -> None:
    state = StatePaths(tmp_path)
    state.reports.mkdir()
    page = state.reports / "report-en.html"
    page.write_text("<td>A&amp;B-1</td>")
    assert "reports removed" not in forget_lead(state, "A&B-2")
    assert page.exists()
    assert forget_lead(state, "A&B-1")["reports removed"] == 1
    assert not page.exists()


def test_a_forgotten_lead_is_in_no_file_but_the_chained_log(tmp_path: Path) -> None:
    company = November.unpack(tmp_path)
    own, state = (company.file, "--state", company.state), company.state
    assert leadscore("score", *own, "--accept").code == 0
    who = str(pd.read_parquet(state / "scores.parquet")["lead_id"].iat[3])
    killed = ("--part", "1/1", "--out", state / "parts")  # as a killed run leaves them
    for verb, more in (
        ("score", killed),
        ("experiment assign", ()),
        ("write-back", ()),
        ("report", ("--lang", "en")),
    ):
        assert leadscore(*verb.split(), *own, *more).code == 0
    assert leadscore("feedback", own[0], who, "wrong", "--because", "no", *own[1:]).code == 0

    def holding() -> set[str]:
        return {
            name.partition("/")[0] for name, raw in contents(state).items() if who.encode() in raw
        }

    everywhere = {"arms.csv", "crm.sqlite", "feedback.db", "ledger.sqlite", "pages", "parts"}
    assert everywhere | {"report", "scores", "scores.parquet", "store"} <= holding()
    assert leadscore("forget", own[0], who, *own[1:]).code == 0
    assert holding() <= {"ledger.sqlite", "ledger.v1.sqlite"}


def test_a_service_that_runs_answers_for_no_forgotten_lead(tmp_path: Path) -> None:
    """Found by an operator: the service went on scoring it from what it held."""
    company = November.unpack(tmp_path)
    own = (company.file, "--state", company.state)
    assert leadscore("score", *own, "--accept").code == 0
    session = company.session()
    service = Service(session.project, session.registry, state=session.state)
    service.load()
    service.hold(session.read(), session.read)
    scored = set(pd.read_parquet(company.state / "scores.parquet")["lead_id"])
    leads = pd.read_parquet(company.file.parent / "leads.parquet")
    closed = next(each for each in leads["lead_id"] if each not in scored)
    who, other = sorted(scored)[:2]
    for lead in (who, other, closed):
        assert service.score_known(lead, None)
    for name in ("leads", "touches", "lead_history", "opportunities"):  # erased in the CRM first
        path = company.file.parent / f"{name}.parquet"
        rows = pd.read_parquet(path)
        rows[rows["lead_id"] != who].to_parquet(path)
    assert leadscore("forget", own[0], who, *own[1:]).code == 0
    assert service.score_known(other, None)
    with pytest.raises(UnknownLeadError):
        service.score_known(who, None)
    assert not service.follow_promotion()
    assert service.score_known(closed, None)
    with pytest.raises(UnknownLeadError):
        service.score_known(who, None)


def test_sources_that_cannot_be_read_keep_no_model_from_being_followed(tmp_path: Path) -> None:
    session = November.unpack(tmp_path).session()
    service = Service(session.project, session.registry, state=session.state)

    def unreadable() -> CrmData:
        raise InputError("a pull is writing it")

    service.hold(session.read(), unreadable)
    with pytest.raises(InputError):
        service.follow_promotion()
    assert service.current().version == "1"


def test_a_mistyped_id_is_said_to_be_unknown(tmp_path: Path) -> None:
    company = November.unpack(tmp_path)
    unknown = "nothing of a lead 'NOPE-1' was kept: is that how its id is written?"
    answer = leadscore("forget", company.file, "NOPE-1", "--state", company.state)
    assert (answer.code, unknown in answer.out) == (0, True)
    known = pq.read_table(company.state / "scores.parquet")["lead_id"][0].as_py()
    answer = leadscore("forget", company.file, known, "--state", company.state)
    assert (answer.code, "is that how" in answer.out) == (0, False)
