"""The whole run against the embedded CRM: what is sent, what is kept, what is refused."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.durations import DAY
from data.errors import InputError, OutsideError
from data.schema import NetworkSection, Project, ProjectSection
from data.schema_steps import WriteBackSection
from data.schema_tables import ConversionSection, LeadsSection
from serving.crm.credentials import with_credentials
from serving.crm.files.writer import guarded, unguarded
from serving.crm.interface import FIELDS, Unsure, Update, WriteAnswer
from serving.crm.retries import RetryPolicy
from serving.crm.sqlite.writer import SqliteCrm
from serving.writeback.audit_log import entries
from serving.writeback.decide import SendRules, worth_sending
from serving.writeback.ledger import LastAcknowledged, LeaseLost, Ledger
from serving.writeback.ledger_store import SqliteStore
from serving.writeback.payload import LeadPayload, ScoreSummary, _reason_texts, clean, content_hash
from serving.writeback.write_back import WriteBackResult, write_back
from tests.fakes.faults_run import EPOCH, write_scores, write_standings

LEADS = [f"L{i:03d}" for i in range(250)]


def project(**section: object) -> Project:
    return Project(
        project=ProjectSection(name="test"),
        leads=LeadsSection(source="leads.csv", id="lead_id", converted="converted"),
        conversion=ConversionSection(),
        network=NetworkSection(allow=("127.0.0.1",)),
        write_back=WriteBackSection.model_validate(section),
    )


def night(
    state: Path, number: int, scores: list[int], *, dry: bool = False, **section: object
) -> WriteBackResult:
    path = state / f"scores{number}.parquet"
    write_scores(path, LEADS[: len(scores)], scores, EPOCH + number * DAY)
    now = EPOCH + (number + 1) * DAY
    return write_back(path, project(**section), state, now=now, run_id=f"run-{number}", dry_run=dry)


def crm(state: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(state / "crm.sqlite")) as connection, connection:
        return connection.execute(statement).fetchall()


def test_an_embedded_crm_that_cannot_be_written_is_an_outside_fault(tmp_path: Path) -> None:
    (tmp_path / "crm.sqlite").mkdir()
    with pytest.raises(OutsideError, match="embedded CRM cannot be written"):
        night(tmp_path, 0, [50])


def test_every_lead_is_written_once_and_a_second_run_sends_nothing(tmp_path: Path) -> None:
    scores = [i % 101 for i in range(250)]
    assert night(tmp_path, 0, scores).sent == 250
    again = night(tmp_path, 0, scores)
    assert (again.sent, again.unchanged, again.requests) == (0, 250, 0)
    assert crm(tmp_path, "SELECT count(*) FROM lead_history") == [(250,)]
    assert crm(tmp_path, "SELECT score, band, reasons FROM leads WHERE lead_id = 'L077'") == [
        (77, "A", "+4 Visited 77 pages")
    ]


def test_only_what_moved_enough_is_sent(tmp_path: Path) -> None:
    night(tmp_path, 0, [50, 50, 50, 48], min_points=3)
    moved = night(tmp_path, 1, [52, 53, 50, 51], min_points=3)
    assert (moved.sent, moved.unchanged) == (2, 2)  # 53 moved by three, 51 changed its band
    assert crm(tmp_path, "SELECT score FROM leads ORDER BY lead_id") == [(50,), (53,), (50,), (51,)]


def test_small_steps_are_measured_from_what_the_crm_holds(tmp_path: Path) -> None:
    night(tmp_path, 0, [60], min_points=3)
    assert [night(tmp_path, n, [60 + n], min_points=3).sent for n in (1, 2, 3)] == [0, 0, 1]


def test_a_value_that_grew_old_is_sent_again(tmp_path: Path) -> None:
    night(tmp_path, 0, [60])
    assert night(tmp_path, 30, [60], max_age_days=30).sent == 0
    assert night(tmp_path, 32, [60], max_age_days=30).sent == 1


def test_a_persons_word_is_never_overwritten(tmp_path: Path) -> None:
    night(tmp_path, 0, [10, 20, 30, 40])
    crm(tmp_path, "UPDATE leads SET score_override = '99' WHERE lead_id = 'L000'")
    crm(tmp_path, "UPDATE leads SET score = 77 WHERE lead_id = 'L001'")
    crm(tmp_path, "UPDATE leads SET converted_at = '2026-01-01' WHERE lead_id = 'L002'")
    result = night(tmp_path, 1, [15, 25, 35, 45])
    assert (result.sent, result.kept_overrides, result.closed) == (1, 2, 1)
    assert crm(tmp_path, "SELECT score FROM leads ORDER BY lead_id") == [(10,), (77,), (30,), (45,)]


@pytest.mark.parametrize("of_all", ["score = NULL, band = NULL, reasons = NULL, as_of = NULL", ""])
def test_a_score_that_is_empty_in_the_crm_is_written_again(tmp_path: Path, of_all: str) -> None:
    """Emptied by a person, or by a restored backup of the CRM: it counted as a person's word."""
    night(tmp_path, 0, [10, 20, 30])
    crm(tmp_path, "UPDATE leads SET score = 77 WHERE lead_id = 'L001'")
    assert night(tmp_path, 1, [15, 25, 30]).kept_overrides == 1
    crm(tmp_path, f"UPDATE leads SET {of_all or 'score = NULL'}")
    again = night(tmp_path, 2, [20, 30, 35])
    assert (again.sent, again.kept_overrides) == (3, 0)
    assert crm(tmp_path, "SELECT score FROM leads ORDER BY lead_id") == [(20,), (30,), (35,)]


def test_a_relative_place_of_crm_and_ledger_starts_at_the_project_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another folder's database of the same name had been taken for the CRM."""
    night(tmp_path, 0, [10])
    (tmp_path / "crm.sqlite").rename(tmp_path / "own.sqlite")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    given = project(crm="sqlite", url="own.sqlite", ledger="kept/ledger.sqlite")
    (tmp_path / "kept").mkdir()
    given = given.model_copy(update={"folder": str(tmp_path)})
    state = tmp_path / "state"
    state.mkdir()
    scores = tmp_path / "scores0.parquet"
    assert write_back(scores, given, state, now=EPOCH + DAY, run_id="r").already_there == 1
    assert (tmp_path / "kept" / "ledger.sqlite").is_file()


def test_many_scores_that_are_newer_in_the_crm_are_said(tmp_path: Path) -> None:
    assert night(tmp_path, 3, [50] * 60).warning == ""
    late = night(tmp_path, 1, [90] * 60)
    assert late.stale == 60
    assert late.warning.startswith("yellow: 60 of 60 leads hold a newer score in the CRM")
    assert "a clock that ran ahead" in late.warning


def test_an_older_run_never_overwrites_a_newer_one(tmp_path: Path) -> None:
    night(tmp_path, 3, [10, 20])
    late = night(tmp_path, 1, [90, 91])
    assert (late.sent, late.stale) == (0, 2)
    (tmp_path / "ledger.sqlite").unlink()  # even where the ledger is lost, the CRM's date counts
    assert (night(tmp_path, 1, [90, 91]).stale, night(tmp_path, 4, [11, 21]).sent) == (2, 2)


def test_a_dry_run_tells_the_same_and_changes_nothing(tmp_path: Path) -> None:
    night(tmp_path, 0, [10, 20, 30])
    before = (tmp_path / "ledger.sqlite").read_bytes(), crm(tmp_path, "SELECT * FROM leads")
    dry = night(tmp_path, 1, [15, 20, 35], dry=True)
    assert (
        (tmp_path / "ledger.sqlite").read_bytes(),
        crm(tmp_path, "SELECT * FROM leads"),
    ) == before
    real = night(tmp_path, 1, [15, 20, 35])
    assert (dry.sent, dry.unchanged) == (real.sent, real.unchanged) == (2, 1)


def test_one_invalid_row_costs_one_row_and_waits_as_a_dead_letter(tmp_path: Path) -> None:
    night(tmp_path, 0, [10] * 100)
    crm(
        tmp_path,
        "CREATE TRIGGER no_l042 BEFORE UPDATE ON leads WHEN new.lead_id = 'L042' AND new.score > 20"
        " BEGIN SELECT raise(ABORT, 'not valid here'); END",
    )
    result = night(tmp_path, 1, [50] * 100)
    assert (result.sent, result.rejected) == (99, 1)
    letter = json.loads((tmp_path / "dead_letter.jsonl").read_text())
    assert (letter["lead_id"], letter["cause"]) == ("L042", "not valid here")
    crm(tmp_path, "DROP TRIGGER no_l042")
    assert (night(tmp_path, 1, [50] * 100).sent, (tmp_path / "dead_letter.jsonl").exists()) == (
        1,
        False,
    )


def test_comparing_with_the_crm_mends_what_a_restored_backup_lost(tmp_path: Path) -> None:
    night(tmp_path, 0, [10, 20, 30])
    night(tmp_path, 1, [40, 20, 30])
    crm(
        tmp_path,
        "UPDATE leads SET score = 10, as_of = '2026-09-21T00:00:00+00:00' WHERE score = 40",
    )
    assert night(tmp_path, 1, [40, 20, 30]).sent == 0
    mended = night(tmp_path, 1, [40, 20, 30], compare_with_crm=True)
    assert (mended.sent, mended.unchanged) == (1, 2)
    quiet = night(tmp_path, 60, [40, 20, 30], compare_with_crm=True)
    assert (quiet.sent, quiet.already_there) == (0, 3)  # old, but nothing that a reader would see


def test_what_a_crm_has_no_field_for_cannot_differ(tmp_path: Path) -> None:
    night(tmp_path, 0, [10, 20])
    section = {
        "url": str(tmp_path / "crm.sqlite"),
        "fields": {"score": "score", "band": "band", "as_of": "as_of"},
        "compare_with_crm": True,
    }
    assert night(tmp_path, 1, [40, 20], **section).sent == 1
    quiet = night(tmp_path, 60, [40, 20], **section)
    assert (quiet.sent, quiet.already_there) == (0, 2)


def test_dead_letters_can_be_replayed_without_new_scores(tmp_path: Path) -> None:
    night(tmp_path, 0, [10, 20])
    crm(
        tmp_path,
        "CREATE TRIGGER no BEFORE UPDATE ON leads WHEN new.lead_id = 'L001'"
        " BEGIN SELECT raise(ABORT, 'not valid'); END",
    )
    assert night(tmp_path, 1, [30, 40]).rejected == 1
    crm(tmp_path, "DROP TRIGGER no")
    now = EPOCH + 2 * DAY
    assert write_back(None, project(), tmp_path, now=now, run_id="by hand").sent == 1
    assert crm(tmp_path, "SELECT score FROM leads WHERE lead_id = 'L001'") == [(40,)]


def test_many_rejects_stop_the_run(tmp_path: Path) -> None:
    night(tmp_path, 0, [10] * 100)
    crm(
        tmp_path,
        "CREATE TRIGGER no BEFORE UPDATE ON leads BEGIN SELECT raise(ABORT, 'closed today'); END",
    )
    with pytest.raises(OutsideError, match=r"rejects 1\d of 1\d rows, first: closed today"):
        night(tmp_path, 1, [50] * 100, batch=12)
    crm(tmp_path, "DROP TRIGGER no")
    assert night(tmp_path, 1, [50] * 100).sent == 100


def test_a_batch_that_is_refused_lead_by_lead_stops_the_run_early(tmp_path: Path) -> None:
    night(tmp_path, 0, [10] * 250)
    crm(
        tmp_path,
        "CREATE TRIGGER no BEFORE UPDATE ON leads BEGIN SELECT raise(ABORT, 'closed today'); END",
    )
    with pytest.raises(OutsideError, match=r"rejects (1\d|2\d) of \d+ rows, first: closed today"):
        night(tmp_path, 1, [50] * 250, batch=250)


def test_a_lead_that_is_not_in_the_crm_is_not_made_up(tmp_path: Path) -> None:
    night(tmp_path, 0, [10, 20])
    crm(tmp_path, "DELETE FROM leads WHERE lead_id = 'L001'")
    target = {"url": str(tmp_path / "crm.sqlite")}
    result = night(tmp_path, 1, [15, 25], **target)
    assert (result.sent, result.gone) == (1, 1)
    assert crm(tmp_path, "SELECT lead_id, score FROM leads") == [("L000", 15)]


def test_a_table_of_scores_alone_takes_rows_of_two_runs_and_keeps_what_is_newer(
    tmp_path: Path,
) -> None:
    path = tmp_path / "crm.sqlite"
    names = ", ".join(f"{name} {'INTEGER' if name == 'score' else 'TEXT'}" for name in FIELDS)
    crm(tmp_path, f"CREATE TABLE scores (lead_id TEXT PRIMARY KEY, {names})")
    target = SqliteCrm(path, entity="scores")

    def written(as_of: int) -> dict[str, str]:
        rows = [
            Update(
                lead,
                {
                    **dict.fromkeys(FIELDS),
                    "score": at % 101,
                    "band": "A",
                    "as_of": as_of,
                    "model_version": "7" if at < 120 else "8",
                },
            )
            for at, lead in enumerate(LEADS)
        ]
        return {each.lead: each.status for each in target.upsert(rows)}

    assert set(written(EPOCH).values()) == {"written"}
    assert crm(tmp_path, "SELECT model_version, count(*), min(as_of) FROM scores GROUP BY 1") == [
        ("7", 120, "2026-09-21T14:13:20+00:00"),
        ("8", 130, "2026-09-21T14:13:20+00:00"),
    ]
    crm(tmp_path, "UPDATE scores SET as_of = '2099', score = 1 WHERE lead_id = 'L130'")
    second = written(EPOCH + DAY)
    assert [lead for lead, status in second.items() if status != "written"] == ["L130"]
    assert second["L130"] == "conflict"
    assert target.read_scores(["L130", "L249"])["L130"].values["score"] == 1
    assert crm(tmp_path, "SELECT count(*) FROM scores WHERE as_of LIKE '2026-09-22%'") == [(249,)]
    target.close()


def test_a_changed_audit_entry_shows(tmp_path: Path) -> None:
    night(tmp_path, 0, [10, 20])
    night(tmp_path, 1, [20, 30])
    store = SqliteStore(tmp_path / "ledger.sqlite")
    written = [len(entry["written"]) for entry in entries(store)]  # type: ignore[arg-type]
    assert written == [2, 2]
    store.execute("UPDATE audit SET body = replace(body, 'L001', 'L009') WHERE seq = 1")
    with pytest.raises(OutsideError, match="changed at entry 1"):
        list(entries(store))
    store.close()


def test_a_run_that_lost_its_lease_can_record_nothing(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "ledger.sqlite")
    ledger = Ledger(store, "sqlite", lease_s=0.0)
    first = ledger.acquire(0.0, lambda _: None)
    second = ledger.acquire(0.0, lambda _: None)
    assert second.token == first.token + 1
    with pytest.raises(LeaseLost):
        ledger.queue(first, [], ["L000"], "late")
    store.close()


def test_a_damaged_ledger_is_named_and_the_cure_works(tmp_path: Path) -> None:
    night(tmp_path, 0, [10, 20])
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(OutsideError, match=r"ledger ledger.sqlite is damaged.*move it away"):
        night(tmp_path, 1, [11, 20])
    path.unlink()
    again = night(tmp_path, 0, [10, 20])
    assert (again.sent, again.already_there) == (0, 2)


def test_damage_that_the_driver_cannot_put_in_words_is_named_too(tmp_path: Path) -> None:
    night(tmp_path, 0, [10, 20])
    path = tmp_path / "ledger.sqlite"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"TABLE ack", b"TABLX ack").replace(b"acknow", b"\xa5" * 6))
    with pytest.raises(OutsideError, match=r"ledger ledger.sqlite is damaged.*move it away"):
        night(tmp_path, 1, [11, 20])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"lead_id": ["a", "a"]}, r"the lead 'a' is there twice"),
        ({"score": [1, None]}, r"row 2, column score: is missing"),
        ({"score": [1, 101]}, r"column score: is not within 0 to 100"),
    ],
)
def test_a_wrong_score_file_is_refused(
    tmp_path: Path, columns: dict[str, list[object]], message: str
) -> None:
    import pyarrow.parquet as pq

    rows: dict[str, list[object]] = {
        "lead_id": ["a", "b"],
        "as_of": [EPOCH, EPOCH],
        "score": [1, 2],
        "band": ["A", "B"],
        "model_version": ["1", "1"],
    }
    path = tmp_path / "scores.parquet"
    pq.write_table(pa.table(rows | columns), path)
    with pytest.raises(InputError, match=message):
        write_back(path, project(), tmp_path / "state", now=EPOCH, run_id="r")
    assert not (tmp_path / "state" / "ledger.sqlite").exists()


@given(
    text=st.text(max_size=400),
    limit=st.integers(min_value=2, max_value=255),
)
@settings(max_examples=100, deadline=None)
def test_cut_text_fits_and_holds_no_control_characters(text: str, limit: int) -> None:
    cut = clean(text, limit)
    assert len(cut) <= limit
    assert not any(ord(c) < 32 for c in cut)
    assert clean(cut, limit) == cut


@given(
    st.lists(
        st.lists(st.tuples(st.integers(-50, 50), st.text(max_size=150)), max_size=4),
        min_size=1,
        max_size=5,
    )
)
@settings(max_examples=100, deadline=None)
def test_reasons_are_joined_largest_first_and_fit(
    leads: list[list[tuple[int, str]]],
) -> None:
    reasons = [[{"points": points, "text": text} for points, text in lead] for lead in leads]
    kind = pa.list_(pa.struct({"points": pa.int32(), "text": pa.string()}))
    found = _reason_texts(pa.table({"reasons": pa.array(reasons, kind)})).to_pylist()
    joined = (
        "; ".join(
            f"{n:+d} {text}".replace("-", "−", n < 0)
            for n, text in sorted(lead, key=lambda each: -abs(each[0]))
        )
        for lead in leads
    )
    assert found == [clean(each) for each in joined]


@given(
    score=st.integers(0, 100), before=st.integers(0, 100), points=st.sampled_from([1.0, 2.5, 10.0])
)
def test_hysteresis_looks_at_points_and_band(score: int, before: int, points: float) -> None:
    row = ScoreSummary("L", content_hash(score, "A", "", "1"), score, "A", 2)
    last = LastAcknowledged(content_hash(before, "A", "", "1"), before, "A", 1, 0)
    verdict = worth_sending(row, last, SendRules(points, 30), now=DAY)
    assert verdict == ("send" if abs(score - before) >= points else "unchanged")


@pytest.mark.parametrize(
    "text", ["=cmd|'/c calc'!A1", "+SUM(1)", "-2+3", "@SUM", "\t=1", "\r=1", "\x00=1", "＝1"]
)
def test_a_formula_becomes_text_and_reads_back(text: str) -> None:
    assert guarded(text) == f"'{text}"
    assert unguarded(guarded(text)) == text


def test_a_csv_for_a_spreadsheet_holds_ids_and_numbers_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "for_sales.csv"
    assert night(tmp_path, 0, [10, 20], crm="files", url=str(path)).sent == 2
    raw = path.read_bytes().splitlines()
    assert raw[1].startswith(b"L000,10,B,0.1,")
    assert b"'+4 Visited 10 pages" in raw[1]
    assert night(tmp_path, 0, [10, 20], crm="files", url=str(path)).sent == 0
    assert night(tmp_path, 1, [10, 25], crm="files", url=str(path)).sent == 1


def test_a_password_in_the_project_file_is_refused() -> None:
    with pytest.raises(InputError, match="holds a password"):
        with_credentials("postgresql://me:secret@127.0.0.1/crm", None)


@pytest.mark.checkout
def test_the_process_imports_no_model_library() -> None:
    code = (
        "import sys, serving.writeback.write_back;"
        "import serving.crm.rest.writer, serving.crm.sqlite.writer;"
        "heavy = {'lightgbm', 'sklearn', 'scipy', 'numba', 'mlflow', 'pandas'};"
        "print(sorted(heavy & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def answered_night(
    state: Path, number: int, standings: list[str | None], **section: object
) -> WriteBackResult:
    """Write back a night in which reps' answers stand on leads L000, L001, …, all scored 60."""
    path = state / f"scores{number}.parquet"
    write_scores(path, LEADS[: len(standings)], [60] * len(standings), EPOCH + number * DAY)
    write_standings(path, standings)
    now = EPOCH + (number + 1) * DAY
    url = f"sqlite:///{state / 'own.sqlite'}"
    section = {"crm": "sqlite", "url": url, **section}
    return write_back(path, project(**section), state, now=now, run_id=f"run-{number}")


def test_what_reps_answered_is_written_where_a_field_is_mapped_once_in_effect(
    tmp_path: Path,
) -> None:
    def held() -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(tmp_path / "own.sqlite")) as connection:
            return connection.execute(
                "select band, reasons, rep_says from leads order by lead_id"
            ).fetchall()

    kinds = {"score": "int", "probability": "real", "percentile": "real"}
    columns = ", ".join(f"{name} {kinds.get(name, 'text')}" for name in FIELDS)
    with closing(sqlite3.connect(tmp_path / "own.sqlite")) as connection, connection:
        connection.execute(f"create table leads (lead_id text primary key, {columns}, rep_says)")
        connection.executemany("insert into leads (lead_id) values (?)", [(e,) for e in LEADS[:4]])
    names = {name: name for name in FIELDS}
    mapped = {"fields": {**names, "disposition": "rep_says"}}
    nobody: list[str | None] = [None] * 4
    assert answered_night(tmp_path, 0, nobody, fields=names).sent == 4
    assert answered_night(tmp_path, 1, nobody, **mapped).sent == 0  # nothing to say yet
    said = [None, "done", "snoozed", "disqualified"]
    assert answered_night(tmp_path, 2, said, **mapped).sent == 3  # though no score moved
    told = "+4 Visited 60 pages"
    assert held() == [
        ("A", told, None),
        ("A", told, "done"),
        ("A", told, "snoozed"),
        (None, "disqualified here: no budget", "disqualified"),
    ]
    again = answered_night(tmp_path, 3, said, **mapped)
    assert (again.sent, again.unchanged, again.kept_overrides) == (0, 4, 0)
    assert answered_night(tmp_path, 4, nobody, **mapped).sent == 3  # taken back, or over
    assert held() == [("A", told, None)] * 4
    assert answered_night(tmp_path, 5, nobody, **mapped).unchanged == 4


def test_a_lead_disqualified_by_a_rep_has_no_band_in_the_crm(tmp_path: Path) -> None:
    night(tmp_path, 0, [60, 60])
    path = tmp_path / "scores1.parquet"
    write_scores(path, LEADS[:2], [60, 60], EPOCH + DAY)
    write_standings(path, ["disqualified", "done"])
    sent = write_back(path, project(), tmp_path, now=EPOCH + 2 * DAY, run_id="r")
    assert (sent.sent, sent.unchanged) == (1, 1)  # done changes nothing that is written
    assert crm(tmp_path, "SELECT score, band, reasons FROM leads ORDER BY lead_id")[0] == (
        60,
        None,
        "disqualified here: no budget",
    )


class Elusive(SqliteCrm):
    """Applies a batch and gives no answer; then a person sets the override of what it holds."""

    def upsert(self, batch: Sequence[Update]) -> Iterable[WriteAnswer]:
        super().upsert(batch)
        self._connection.execute("UPDATE leads SET score_override = '9', version = version + 1")
        raise Unsure("no answer")


def inflight(state: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(state / "ledger.sqlite")) as connection:
        return connection.execute("SELECT lead FROM inflight").fetchall()


def test_what_was_sent_for_a_lead_that_is_kept_back_is_read_back_once_more(tmp_path: Path) -> None:
    """Not forgotten at once: it may be what the CRM holds, and would pass for a person's number."""
    night(tmp_path, 0, [10])
    path = tmp_path / "again.parquet"  # of the same moment, by another model
    write_scores(path, LEADS[:1], [60], EPOCH)
    crm_there = Elusive(tmp_path / "crm.sqlite", override="score_override")
    now = EPOCH + DAY
    policy = RetryPolicy(first_wait_s=0.0)
    result = write_back(
        path, project(), tmp_path, now=now, run_id="2", crm=crm_there, retry_policy=policy
    )
    assert (result.kept_overrides, inflight(tmp_path)) == (1, [("L000",)])
    crm(tmp_path, "UPDATE leads SET score_override = NULL")
    assert (night(tmp_path, 1, [80]).sent, inflight(tmp_path)) == (1, [])


def test_what_was_sent_is_forgotten_once_the_crm_does_not_hold_it(tmp_path: Path) -> None:
    """Found in a review: such rows stayed for ever, and every run read their leads again."""
    night(tmp_path, 0, [10])
    with closing(SqliteStore(tmp_path / "ledger.sqlite")) as store:
        ledger = Ledger(store, "sqlite")
        lease = ledger.acquire(0.0, lambda _: None)
        values = {**dict.fromkeys(FIELDS), "score": 60, "band": "A", "as_of": EPOCH}
        digest = content_hash(60, "A", None, None, None)
        ledger.mark_sending(lease, [LeadPayload("L000", digest, values, EPOCH)])
        ledger.release(lease)
    again = night(tmp_path, 0, [10])
    assert (again.unchanged, again.requests, inflight(tmp_path)) == (1, 1, [])
    assert night(tmp_path, 0, [10]).requests == 0
