"""A rep's answer is stored, dated, never changed, and comes back as a dated fact."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pandas as pd
import pytest

from data.errors import InputError, OutsideError
from serving.feedback import (
    RepAnswer,
    export_facts,
    forget_lead,
    give_feedback,
    list_answers,
    store_answer,
)

HOSTILE = "'); drop table feedback; -- <script>alert(1)</script> \u202e"


def _answer(lead: str, verdict: str, at: int, reason: str = "no budget") -> RepAnswer:
    return RepAnswer(lead, verdict, reason, "Ann", at, 82, "7")  # type: ignore[arg-type]


def test_an_answer_comes_back_as_it_was_given(tmp_path: Path) -> None:
    assert list_answers(tmp_path / "f.db") == ()
    assert store_answer(tmp_path / "f.db", _answer("L1", "too_high", 10, HOSTILE)) == 1
    assert store_answer(tmp_path / "f.db", _answer("L2", "right", 20, "")) == 2
    (first, second) = list_answers(tmp_path / "f.db")
    assert (first.reason, first.given_at, first.score) == (HOSTILE.strip(), 10, 82)
    assert list_answers(tmp_path / "f.db", lead_id="L2") == (second,)
    assert list_answers(tmp_path / "f.db", before=20) == (first,)


def test_answers_are_dated_facts_in_the_shape_of_a_field_history(tmp_path: Path) -> None:
    for lead, verdict, at in (("L1", "too_high", 10), ("L1", "note", 15), ("L1", "right", 30)):
        store_answer(tmp_path / "f.db", _answer(lead, verdict, at))
    facts = export_facts(tmp_path / "f.db")
    assert facts[["old", "new"]].to_numpy().tolist() == [[None, "too_high"], ["too_high", "right"]]
    assert len(export_facts(tmp_path / "f.db", before=30)) == 1
    assert export_facts(tmp_path / "empty.db").empty


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (_answer("L1", "perhaps", 1), "no such verdict"),
        (_answer(" ", "right", 1), "needs a lead"),
        (_answer("L1", "too_low", 1, "  "), "gives no reason"),
        (_answer("L1", "note", 1, "x" * 3000), "at most 2,000"),
    ],
)
def test_an_answer_that_says_nothing_is_refused(
    tmp_path: Path, answer: RepAnswer, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        store_answer(tmp_path / "f.db", answer)
    assert list_answers(tmp_path / "f.db") == ()


def test_an_answer_is_never_changed_but_a_person_may_be_forgotten(tmp_path: Path) -> None:
    store_answer(tmp_path / "f.db", _answer("L1", "too_high", 10))
    with (
        sqlite3.connect(tmp_path / "f.db") as connection,
        pytest.raises(sqlite3.Error, match="never"),
    ):
        connection.execute("update feedback set reason = 'fine'")
    connection.close()
    assert forget_lead(tmp_path / "f.db", "L1") == 1
    assert list_answers(tmp_path / "f.db") == ()


def test_a_folder_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutsideError, match="cannot be stored"):
        store_answer(tmp_path / "file" / "f.db", _answer("L1", "right", 1))


def test_an_answer_keeps_the_score_it_speaks_of(tmp_path: Path) -> None:
    scores = tmp_path / "scores.parquet"
    pd.DataFrame({"lead_id": ["L1"], "score": [82], "model_version": ["7"]}).to_parquet(scores)
    said = give_feedback(
        tmp_path / "f.db", scores, lead="L1", verdict="wrong", because="no budget", by="Ann", at=5
    )
    assert said == "answer 1 stored: L1 (score 82) is wrong, because no budget"
    assert list_answers(tmp_path / "f.db") == (
        RepAnswer("L1", "wrong", "no budget", "Ann", 5, 82, "7"),
    )
    for lead, file in (("L2", scores), ("L1", tmp_path / "none.parquet")):
        with pytest.raises(InputError, match=r"no open lead|no scores yet"):
            give_feedback(
                tmp_path / "f.db", file, lead=lead, verdict="right", because="", by="", at=6
            )
