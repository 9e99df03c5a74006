"""A rep's answer is stored, dated, never changed; taken back for a day; old files are read on."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tarfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from data.clock import DAY, HOUR
from data.errors import InputError, OutsideError
from data.reading.rep_answers import AnswerFact
from serving.answers.answer_facts import answer_facts
from serving.answers.answer_store import (
    RepAnswer,
    forget_lead,
    in_force,
    list_answers,
    store_answer,
    undo_answer,
)
from serving.answers.give_answer import give_feedback, undo_feedback
from serving.worklist.live_answers import LiveAnswers

OLD_STATE = Path(__file__).parents[2] / "fixtures" / "state_2026_11.tar.xz"

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


def test_answers_are_facts_known_from_the_moment_they_were_given(tmp_path: Path) -> None:
    file = tmp_path / "f.db"
    for lead, verdict, at in (
        ("L1", "too_high", 10),
        ("L1", "note", 15),
        ("L1", "done", 20),
        ("L1", "right", 30),
    ):
        store_answer(file, _answer(lead, verdict, at))
    undo_answer(file, 4, by="Ann", at=35)
    assert answer_facts(list_answers(file)) == (
        AnswerFact("L1", "rep_verdict", "too_high", 10),
        AnswerFact("L1", "rep_disposition", "done", 20),
        AnswerFact("L1", "rep_verdict", "right", 30),
        AnswerFact("L1", "rep_verdict", "too_high", 35),
    )
    assert answer_facts(()) == ()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (_answer("L1", "perhaps", 1), "no such verdict"),
        (_answer(" ", "right", 1), "needs a lead"),
        (_answer("L1", "too_low", 1, "  "), "gives no reason"),
        (_answer("L1", "note", 1, "x" * 3000), "at most 2,000"),
        (_answer("L1", "snooze", 1), "needs its end"),
        (replace(_answer("L1", "done", 1), until=5), "only a snooze"),
        (replace(_answer("L1", "snooze", 5), until=5), "lies ahead"),
        (replace(_answer("L1", "snooze", 5), until=900 * DAY), "within two years"),
        (replace(_answer("L1", "done", 5), permanent=True), "can be permanent"),
        (_answer("L1", "undo", 5), "by its number"),
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
    with pytest.raises(OutsideError, match="can't be written"):
        store_answer(tmp_path / "file" / "f.db", _answer("L1", "right", 1))


def test_an_answer_keeps_the_score_it_speaks_of(tmp_path: Path) -> None:
    scores = tmp_path / "scores.parquet"
    shown = {"lead_id": ["L1"], "score": [82], "model_version": ["7"], "run_id": ["r1"]}
    pd.DataFrame(shown).to_parquet(scores)
    said = give_feedback(
        tmp_path / "f.db", scores, lead="L1", verdict="wrong", because="no budget", by="Ann", at=5
    )
    assert said == "answer 1 stored: L1 (score 82) is wrong, because no budget"
    assert list_answers(tmp_path / "f.db") == (
        RepAnswer("L1", "wrong", "no budget", "Ann", 5, 82, "7", run_id="r1", number=1),
    )
    for lead, file in (("L2", scores), ("L1", tmp_path / "none.parquet")):
        with pytest.raises(InputError, match=r"no open lead|no scores yet"):
            give_feedback(
                tmp_path / "f.db", file, lead=lead, verdict="right", because="", by="", at=6
            )


def test_an_answer_is_taken_back_once_and_within_a_day(tmp_path: Path) -> None:
    file = tmp_path / "f.db"
    number = store_answer(file, _answer("L1", "done", DAY))
    with pytest.raises(InputError, match=r"for 24 hours.*reopen"):
        undo_answer(file, number, by="Ann", at=2 * DAY + 1)
    assert undo_answer(file, number, by="Bob", at=2 * DAY) == 2
    undone = list_answers(file)[-1]
    assert (undone.verdict, undone.undoes, undone.author) == ("undo", number, "Bob")
    assert in_force(list_answers(file), DAY) == list_answers(file)[:1]  # as it was that day
    assert in_force(list_answers(file), 2 * DAY) == ()
    for wrong, words in ((number, "already"), (2, "no answer 2"), (9, "no answer 9")):
        with pytest.raises(InputError, match=words):
            undo_answer(file, wrong, by="Bob", at=2 * DAY)


def test_the_newest_answer_that_holds_is_the_one_taken_back(tmp_path: Path) -> None:
    file = tmp_path / "f.db"
    store_answer(file, _answer("L1", "right", HOUR))
    store_answer(file, _answer("L1", "done", 2 * HOUR))
    said = undo_feedback(file, lead="L1", by="Ann", at=3 * HOUR)
    assert said == "answer 3 stored: answer 2 (done) about L1 is undone"
    assert "answer 1 (right)" in undo_feedback(file, lead="L1", by="Ann", at=3 * HOUR)
    with pytest.raises(InputError, match="no answer about lead 'L1'"):
        undo_feedback(file, lead="L1", by="Ann", at=3 * HOUR)


def test_a_file_of_an_earlier_version_is_read_and_written_on(tmp_path: Path) -> None:
    with tarfile.open(OLD_STATE) as archive:
        member = next(m for m in archive.getmembers() if m.name.endswith("feedback.db"))
        archive.extract(member, tmp_path, filter="data")
    file = tmp_path / member.name
    with closing(sqlite3.connect(file)) as connection:
        old = connection.execute("select * from feedback order by number").fetchall()
    assert len(old[0]) == 8
    kept = list_answers(file)
    told = [(a.number, a.lead_id, a.verdict, a.reason, a.author, a.given_at) for a in kept]
    assert told == [row[:6] for row in old]
    assert {(a.until, a.run_id, a.permanent, a.undoes) for a in kept} == {(None, "", False, None)}
    at = kept[-1].given_at + HOUR
    store_answer(file, RepAnswer("L1", "snooze", "", "Ann", at, until=at + DAY, run_id="r9"))
    undo_answer(file, kept[-1].number, by="Ann", at=at)
    assert [a.verdict for a in list_answers(file)][len(kept) :] == ["snooze", "undo"]
    with (
        closing(sqlite3.connect(file)) as connection,
        pytest.raises(sqlite3.Error, match="never"),
    ):
        connection.execute("update feedback set until = 1")


def test_answers_are_listed_by_lead_and_by_who_was_answered_lately(tmp_path: Path) -> None:
    file = tmp_path / "feedback.db"
    for lead, at in (("a", 10), ("b", 20), ("a", 30)):
        store_answer(file, RepAnswer(lead, "done", "", "Ada", at))
    assert [each.given_at for each in list_answers(file, answered_after=25)] == [10, 30]
    assert [each.given_at for each in list_answers(file, lead_id="a")] == [10, 30]
    assert list_answers(file, answered_after=30) == ()


def test_pages_that_look_for_new_answers_leave_the_locks_of_a_writer_alone(tmp_path: Path) -> None:
    """Closing a file that SQLite has open in the same process would take its locks away."""
    file = tmp_path / "f.db"
    store_answer(file, _answer("L1", "done", 10))
    answers = LiveAnswers(file)
    intrude = (
        f"import sqlite3; sqlite3.connect({str(file)!r}, timeout=0).execute('begin immediate')"
    )
    with closing(sqlite3.connect(file)) as writer:
        writer.execute("begin immediate")
        assert set(answers.since(5, 20).off) == {"L1"}
        other = subprocess.run([sys.executable, "-c", intrude], capture_output=True, check=False)
    assert b"database is locked" in other.stderr


def test_pages_see_every_change_of_the_answers(tmp_path: Path) -> None:
    file = tmp_path / "f.db"
    answers = LiveAnswers(file)
    assert not answers.since(5, 30).off
    for lead, at in (("L1", 10), ("L2", 20)):
        store_answer(file, _answer(lead, "done", at))
    assert set(answers.since(5, 30).off) == {"L1", "L2"}
    forget_lead(file, "L2")
    assert set(answers.since(5, 30).off) == {"L1"}
    store_answer(file, _answer("L3", "done", 20))
    assert set(answers.since(5, 30).off) == {"L1", "L3"}
