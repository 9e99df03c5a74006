"""The whole road against a real Tryton: leads read, scores written, people respected."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from benchmarks import tryton_server
from benchmarks.faults_run import DAY, EPOCH, write_scores
from data.schema import (
    ConversionSection,
    LeadsSection,
    NetworkSection,
    Project,
    ProjectSection,
    WriteBackSection,
)
from serving.crm.pull import pull
from serving.crm.seam import Update
from serving.crm.tryton import TrytonCrm
from serving.writeback.run import WriteBackResult, write_back

pytestmark = pytest.mark.tryton
COUNT = 1000


def project(url: str) -> Project:
    return Project(
        project=ProjectSection(name="tryton"),
        leads=LeadsSection(source="leads.parquet", id="lead_id", converted="converted"),
        conversion=ConversionSection(),
        network=NetworkSection(allow=("127.0.0.1",)),
        write_back=WriteBackSection(
            crm="tryton", url=url, credentials="TRYTON_LOGIN", requests_per_second=1000.0
        ),
    )


def connect(url: str) -> TrytonCrm:
    login = (tryton_server.USER, tryton_server.PASSWORD)
    return TrytonCrm(url, ("127.0.0.1",), login, timeout_s=300.0)  # making 1,000 leads takes long


def send(url: str, state: Path, number: int, scores: dict[str, int]) -> WriteBackResult:
    path = state / f"scores{number}.parquet"
    write_scores(path, list(scores), list(scores.values()), EPOCH + number * DAY)
    now = EPOCH + (number + 1) * DAY
    return write_back(path, project(url), state, now=now, run_id=f"run-{number}")


def test_late_notes_come_with_the_next_pull(tryton: str, tmp_path: Path) -> None:
    crm = connect(tryton)
    leads = tryton_server.populate(crm, 5)
    first = pull(crm, tmp_path)
    tryton_server.note(crm, leads[:2], "call: left a message")
    second = pull(crm, tmp_path)
    assert second.events == first.events + 2
    assert pull(crm, tmp_path).events == second.events
    crm.close()


def test_a_thousand_leads_travel_the_whole_road(tryton: str, tmp_path: Path) -> None:
    crm = connect(tryton)
    leads = tryton_server.populate(crm, COUNT)
    tryton_server.note(crm, leads[:300], "demo_request: would like to see it")
    time.sleep(0.05)
    past = time.time_ns() // 1000
    time.sleep(0.05)
    tryton_server.note(crm, leads[:100], "webinar: stayed to the end")
    crm.rpc("model.sale.opportunity.lost", [int(leads[7])])

    pulled = pull(crm, tmp_path / "crm")
    assert pulled.leads == pulled.new_leads >= COUNT
    states = dict(
        zip(*pq.read_table(tmp_path / "crm" / "leads.parquet").select(["lead_id", "state"])
            .to_pydict().values(), strict=True)
    )  # fmt: skip
    assert states[leads[7]] == "lost"

    pull(crm, tmp_path / "past", as_of=past)
    then = pq.read_table(tmp_path / "past" / "leads.parquet").to_pylist()
    assert {row["state"] for row in then} == {"lead"}  # the loss is not known yet
    events = pq.read_table(tmp_path / "past" / "events.parquet").to_pylist()
    kinds = [row["type"] for row in events]
    assert (kinds.count("demo_request"), kinds.count("webinar")) == (300, 0)
    assert "state_lost" not in kinds
    now_events = pq.read_table(tmp_path / "crm" / "events.parquet").to_pylist()
    kinds = [row["type"] for row in now_events]
    assert (kinds.count("webinar"), kinds.count("state_lost")) == (100, 1)

    state = tmp_path / "state"
    state.mkdir()
    scores = {lead: int(lead) * 7 % 100 for lead in leads}
    first = send(tryton, state, 0, scores)
    assert (first.sent, first.closed, first.rejected) == (COUNT - 1, 1, 0)
    assert send(tryton, state, 0, scores).sent == 0
    there = crm.read_scores([leads[3]])[leads[3]]
    assert there.values["score"] == scores[leads[3]]
    assert there.values["as_of"] == EPOCH

    edited, overruled, invalid = leads[10], leads[11], leads[500]
    crm.rpc("model.sale.opportunity.write", [int(edited)], {"leadscore_score": 3})
    crm.rpc("model.sale.opportunity.write", [int(overruled)], {"leadscore_override": "90"})
    path = state / "scores1.parquet"
    moved = {lead: (score + 20) % 100 for lead, score in scores.items()}
    write_scores(path, leads, list(moved.values()), EPOCH + DAY)
    table = pq.read_table(path)
    bands = ["Z" if lead == invalid else band for lead, band in
             zip(table["lead_id"].to_pylist(), table["band"].to_pylist(), strict=True)]  # fmt: skip
    import pyarrow as pa

    at = table.schema.get_field_index("band")
    pq.write_table(table.set_column(at, "band", pa.array(bands)), path)
    second = write_back(path, project(tryton), state, now=EPOCH + 2 * DAY, run_id="run-1")
    assert (second.kept_overrides, second.rejected, second.closed) == (2, 1, 1)
    assert second.sent == COUNT - 4
    letter = json.loads((state / "dead_letter.jsonl").read_text())
    assert letter["lead_id"] == invalid
    assert "Band" in letter["cause"]
    kept = crm.read_scores([edited, overruled])
    assert kept[edited].values["score"] == 3
    assert kept[overruled].values["score"] == scores[overruled]
    assert write_back(path, project(tryton), state, now=EPOCH + 2 * DAY, run_id="run-2").sent == 0
    crm.close()


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
