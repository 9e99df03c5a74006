"""The whole road against a real Tryton: read, trained, scored, written, people respected."""

from __future__ import annotations

import json
import time
from collections import Counter
from datetime import UTC
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from data.project import load_project
from data.reading.read_tables import read_with_notes
from data.schema import NetworkSection, Project, ProjectSection
from data.schema_steps import WriteBackSection
from data.schema_tables import ConversionSection, EventsSection, LeadsSection
from data.schema_types import DUMPED
from data.tables import Outcomes, Tables
from data.world import make_world
from serving.crm.interface import Update
from serving.crm.pull.pull_rows import Pulled, pull
from serving.crm.retries import RetryingCall
from serving.crm.tryton.reader import TrytonReader
from serving.crm.tryton.writer import TrytonCrm
from serving.writeback.write_back import WriteBackResult, write_back
from tests.fakes import tryton_server
from tests.fakes.crm_history import give_history
from tests.fakes.road import score_file, train_model
from tests.golden import product

pytestmark = pytest.mark.tryton
COUNT = 500


def project(url: str, until: int) -> Project:
    return Project(
        project=ProjectSection(name="tryton", observed_until=str(pd.Timestamp(until, unit="us"))),
        leads=LeadsSection(
            source="leads.parquet",
            id="lead_id",
            created_at="created_at",
            fixed=("description",),
            exclude=(
                "number",
                "reference",
                "company",
                "account_id",
                "owner",
                "amount",
                "state",
                "changed_at",
            ),
        ),
        events=(
            EventsSection(
                source="events.parquet",
                lead="lead_id",
                at="at",
                recorded_at="recorded_at",
                type=("type",),
                outcome=("state_lost",),
                ignore=("state_lead",),
            ),
        ),
        conversion=ConversionSection.model_validate(
            {
                "event": "state_opportunity",
                "horizon": "60d",
                "snapshots": ["1d", "14d", "30d"],
            }
        ),
        network=NetworkSection(allow=("127.0.0.1",)),
        write_back=WriteBackSection(
            crm="tryton", url=url, credentials="TRYTON_LOGIN", requests_per_second=1000.0
        ),
    )


def read(project: Project, folder: Path) -> tuple[Tables, Outcomes]:
    """Read what was pulled."""
    events = (str(folder / "events.parquet"),)
    crm = read_with_notes(project, leads=str(folder / "leads.parquet"), events=events)
    return crm.tables, crm.outcomes


def events_of(folder: Path) -> Counter[str]:
    return Counter(pq.read_table(folder / "events.parquet")["type"].to_pylist())


def states_of(crm: TrytonCrm, leads: list[str], state: str) -> set[str]:
    domain = [["id", "in", [int(lead) for lead in leads]], ["state", "=", state]]
    rows = crm.rpc("model.sale.opportunity.search_read", domain, 0, None, None, ["id"])
    return {str(row["id"]) for row in rows}


def shown(path: Path) -> dict[str, int]:
    table = pq.read_table(path, columns=["lead_id", "score"])
    return dict(zip(table["lead_id"].to_pylist(), table["score"].to_pylist(), strict=True))


def spoil(path: Path, lead: str) -> None:
    """Give one lead a band that Tryton does not know."""
    table = pq.read_table(path)
    at = table.schema.get_field_index("band")
    pairs = zip(table["lead_id"].to_pylist(), table["band"].to_pylist(), strict=True)
    bands = pa.array(["Z" if each == lead else band for each, band in pairs])
    pq.write_table(table.set_column(at, "band", bands), path)


def connect(url: str) -> TrytonCrm:
    login = (tryton_server.USER, tryton_server.PASSWORD)
    return TrytonCrm(url, ("127.0.0.1",), login, timeout_s=300.0)  # making 1,000 leads takes long


def read_in(crm: TrytonCrm, folder: Path, *, as_of: int | None = None) -> Pulled:
    """Pull from Tryton, now or as of a past moment."""
    return pull(
        TrytonReader(crm, RetryingCall(None)), folder, now=time.time_ns() // 1000, as_of=as_of
    )


def send(url: str, state: Path, scores: Path, now: int) -> WriteBackResult:
    return write_back(scores, project(url, now), state, now=now, run_id=f"run-{now}")


def test_late_notes_come_with_the_next_pull(tryton: str, tmp_path: Path) -> None:
    crm = connect(tryton)
    leads = tryton_server.populate(crm, 5)
    first = read_in(crm, tmp_path).counts["events"]
    tryton_server.note(crm, leads[:2], "call: left a message")
    second = read_in(crm, tmp_path).counts["events"]
    assert second == (2, first.total + 2)
    assert read_in(crm, tmp_path).counts["events"] == (0, second.total)
    crm.close()


def test_five_hundred_leads_travel_the_whole_road(tryton: str, tmp_path: Path) -> None:
    crm = connect(tryton)
    began = pd.Timestamp.now(UTC).normalize() - pd.DateOffset(months=13)
    world = make_world("software_trial", COUNT, 3, start=str(began.date()), base_rate=0.3)
    past = world.observed_until
    leads = tryton_server.populate(crm, COUNT, list(world.frames["leads"]["source"]))
    give_history(tryton_server.database(tryton), leads, world)
    tryton_server.note(crm, leads[:100], "webinar: stayed to the end")
    lost = next(lead for lead in leads if lead in states_of(crm, leads, "lead"))
    crm.rpc("model.sale.opportunity.lost", [int(lost)])

    then, now = tmp_path / "past", tmp_path / "now"
    read_in(crm, then, as_of=past)
    read_in(crm, now)
    kinds = events_of(then)
    assert kinds["webinar"] == (world.frames["touches"]["touch_type"] == "webinar").sum()
    assert kinds["state_lost"] == 0  # neither the loss nor the new notes are known yet
    converted = world.frames["opportunities"]
    assert kinds["state_opportunity"] == converted["lead_id"].nunique()
    assert events_of(now)["webinar"] == kinds["webinar"] + 100
    assert events_of(now)["state_lost"] == 1
    notes = events_of(now)["note"]

    known = read(project(tryton, past), then)
    assert len(known[0].lead_ids) == COUNT
    model = train_model(project(tryton, past), *known, tmp_path / "model")
    first = score_file(project(tryton, past), known, model, tmp_path / "0.parquet", as_of=past)
    scores = shown(first)
    assert len(set(scores.values())) > 10  # a model that tells leads apart
    state = tmp_path / "state"
    state.mkdir()
    sent = send(tryton, state, first, past)
    assert (sent.sent, sent.closed, sent.rejected) == (len(scores) - 1, 1, 0)
    assert send(tryton, state, first, past).sent == 0
    some = next(lead for lead in scores if lead != lost)
    assert_noted(crm, first, scores)
    there = crm.read_scores([some])[some]
    assert (there.values["score"], there.values["as_of"]) == (scores[some], past)

    today = time.time_ns() // 1000
    later = project(tryton, today)
    second = score_file(later, read(later, now), model, tmp_path / "1.parquet", as_of=today)
    moved = [lead for lead, score in shown(second).items() if abs(score - scores[lead]) >= 2]
    assert len(moved) > 50  # a month later, and webinars attended
    edited, overruled, invalid = moved[0], moved[1], moved[25]
    crm.rpc("model.sale.opportunity.write", [int(edited)], {"leadscore_score": 3})
    crm.rpc("model.sale.opportunity.write", [int(overruled)], {"leadscore_override": "90"})
    spoil(second, invalid)
    result = send(tryton, state, second, today)
    assert (result.kept_overrides, result.rejected) == (2, 1)
    assert result.sent >= len(moved) - 3
    letter = json.loads((state / "dead_letter.jsonl").read_text())
    assert letter["lead_id"] == invalid
    assert "Band" in letter["cause"]
    kept = crm.read_scores([edited, overruled])
    assert kept[edited].values["score"] == 3
    assert kept[overruled].values["score"] == scores[overruled]
    assert send(tryton, state, second, today).sent == 0
    read_in(crm, tmp_path / "again")
    assert events_of(tmp_path / "again")["note"] == notes  # ours are not read back as events
    read_in(crm, now)
    assert (events_of(now)["note"], events_of(now)["leadscore"]) == (notes, 0)
    clearing = score_file(
        held_back(later), read(later, now), model, tmp_path / "2.parquet", as_of=today
    )
    held = pq.read_table(clearing).filter(pc.field("withheld").is_valid())["lead_id"].to_pylist()
    cleared = send(tryton, state, clearing, today)
    # also the lead whose newest score was refused: Tryton holds the one before it
    gone = [lead for lead in held if lead not in (edited, overruled)]
    assert cleared.cleared == len(gone)
    assert {each.values["score"] for each in crm.read_scores(gone).values()} == {None}
    assert not set(notes_of(crm)) & set(gone)
    crm.close()


def held_back(project: Project) -> Project:
    """Begin an experiment: half of the leads are worked without a score."""
    arms = {"arms": {"control": 1, "score": 1}}
    return Project.model_validate({**project.model_dump(), "experiment": arms}, context=DUMPED)


def notes_of(crm: TrytonCrm) -> dict[str, str]:
    """Read the notes that leadscore keeps: lead -> message; one a lead at most."""
    domain = [["message", "like", "leadscore: %"]]
    rows = crm.rpc("model.ir.note.search_read", domain, 0, None, None, ["resource", "message"])
    notes = {row["resource"].partition(",")[2]: row["message"] for row in rows}
    assert len(notes) == len(rows)
    return notes


def assert_noted(crm: TrytonCrm, path: Path, scores: dict[str, int]) -> None:
    """Compare Tryton's notes with the scores and reasons of the night."""
    notes = notes_of(crm)
    rows = {row["lead_id"]: row for row in pq.read_table(path).to_pylist()}
    assert set(notes) <= set(scores)
    assert len(notes) >= len(scores) - 1
    for lead, message in notes.items():
        head, *reasons = message.split("\n")
        assert head == f"leadscore: {scores[lead]} ({rows[lead]['band']})"
        largest = sorted(rows[lead]["reasons"], key=lambda r: -abs(r["points"]))
        texts = [f"{abs(r['points'])} {r['text']}" for r in largest]
        assert reasons[0][1:] == texts[0]


def test_a_lead_that_moved_between_read_and_write_is_not_overwritten(tryton: str) -> None:
    crm = connect(tryton)
    lead = str(
        crm.rpc("model.sale.opportunity.search_read", [["state", "=", "lead"]], 0, 1, None, ["id"])[
            0
        ]["id"]
    )
    before = crm.read_scores([lead])[lead]
    crm.rpc("model.sale.opportunity.write", [int(lead)], {"description": "called back"})
    values = {**before.values, "score": 1}
    assert crm.upsert([Update(lead, values, before.version)])[0].status == "conflict"
    crm.close()


def test_the_command_brings_tryton_in_and_init_reads_what_came(tryton: str, tmp_path: Path) -> None:
    """After the tests before: a year of leads, one of them described anew by a person."""
    lines = [
        '[project]\nname = "acme"',
        '[network]\nallow = ["127.0.0.1"]',
        f'[write_back]\ncrm = "tryton"\nurl = "{tryton}"',
        'credentials = "TRYTON_LOGIN"\nrequests_per_second = 1000',
    ]
    (tmp_path / "crm.toml").write_text("\n".join(lines), encoding="utf-8")
    told = json.loads(leadscore("pull", "crm.toml", "--json", cwd=tmp_path))
    assert told["leads"]["new"] == told["leads"]["total"] == COUNT
    changes = pq.read_table(tmp_path / "lead_history.parquet").to_pylist()
    assert "called back" in {row["new"] for row in changes if row["field"] == "description"}
    assert {("lead", "opportunity"), ("lead", "lost")} <= {
        (row["old"], row["new"]) for row in changes if row["field"] == "state"
    }
    leadscore(
        "init", *(Path(file).name for file in told["files"]), "--out", "acme.toml", cwd=tmp_path
    )
    proposed = load_project(tmp_path / "acme.toml")
    assert proposed.conversion.event == ("state_opportunity",)
    assert proposed.leads.history[0].source == "lead_history.parquet"
    again = json.loads(leadscore("pull", "crm.toml", "--json", cwd=tmp_path))
    assert {again[kind]["new"] for kind in ("leads", "events", "lead_history")} == {0}


def leadscore(*arguments: str, cwd: Path) -> str:
    """Run a command as a person would; give its standard output."""
    done = product.leadscore(*arguments, cwd=cwd)
    assert done.code == 0, done.err
    return done.out
