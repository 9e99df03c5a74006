"""A rep's answer is stored, dated, never changed, and comes back as a dated fact."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from data.errors import InputError, OutsideError
from serving.feedback import (
    FILE_NAME,
    Answer,
    export_facts,
    forget_lead,
    list_answers,
    store_answer,
)

HOSTILE = "'); drop table feedback; -- <script>alert(1)</script> \u202e"


def _answer(lead: str, verdict: str, at: int, reason: str = "no budget") -> Answer:
    return Answer(lead, verdict, reason, "Ann", at, 82, "7")  # type: ignore[arg-type]


def test_an_answer_comes_back_as_it_was_given(tmp_path: Path) -> None:
    assert list_answers(tmp_path) == ()
    assert store_answer(tmp_path, _answer("L1", "too_high", 10, HOSTILE)) == 1
    assert store_answer(tmp_path, _answer("L2", "right", 20, "")) == 2
    (first, second) = list_answers(tmp_path)
    assert (first.reason, first.given_at, first.score) == (HOSTILE.strip(), 10, 82)
    assert list_answers(tmp_path, lead_id="L2") == (second,)
    assert list_answers(tmp_path, before=20) == (first,)


def test_answers_are_dated_facts_in_the_shape_of_a_field_history(tmp_path: Path) -> None:
    for lead, verdict, at in (("L1", "too_high", 10), ("L1", "note", 15), ("L1", "right", 30)):
        store_answer(tmp_path, _answer(lead, verdict, at))
    facts = export_facts(tmp_path)
    assert facts[["old", "new"]].to_numpy().tolist() == [[None, "too_high"], ["too_high", "right"]]
    assert len(export_facts(tmp_path, before=30)) == 1
    assert export_facts(tmp_path / "empty").empty


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (_answer("L1", "maybe", 1), "no such verdict"),
        (_answer(" ", "right", 1), "needs a lead"),
        (_answer("L1", "too_low", 1, "  "), "gives no reason"),
        (_answer("L1", "note", 1, "x" * 3000), "at most 2,000"),
    ],
)
def test_an_answer_that_says_nothing_is_refused(tmp_path: Path, answer: Answer, words: str) -> None:
    with pytest.raises(InputError, match=words):
        store_answer(tmp_path, answer)
    assert list_answers(tmp_path) == ()


def test_an_answer_is_never_changed_but_a_person_may_be_forgotten(tmp_path: Path) -> None:
    store_answer(tmp_path, _answer("L1", "too_high", 10))
    with (
        sqlite3.connect(tmp_path / FILE_NAME) as connection,
        pytest.raises(sqlite3.Error, match="never"),
    ):
        connection.execute("update feedback set reason = 'fine'")
    connection.close()
    assert forget_lead(tmp_path, "L1") == 1
    assert list_answers(tmp_path) == ()


def test_a_folder_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutsideError, match="cannot be stored"):
        store_answer(tmp_path / "file", _answer("L1", "right", 1))
