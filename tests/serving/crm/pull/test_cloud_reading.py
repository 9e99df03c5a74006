"""Salesforce, HubSpot and Dataverse are read from servers that enforce their documented protocol.

Contract-tested, not tested live: no account is needed, and none was used.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from data.errors import OutsideError
from data.schema import Project
from serving.crm.pull.pull_project import open_reader
from serving.crm.pull.pull_rows import Pulled, pull
from tests.fakes.cloud_samples import dataverse, guid, hubspot, salesforce
from tests.fakes.cloud_server import TOKEN, Cloud, running

NOW = 1_790_000_000_000_000  # 2026-09-21T13:33:20Z
VARIABLE = "CLOUD_TOKEN_OF_A_TEST"


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Serve a contract server until the test ends."""
    monkeypatch.setenv(VARIABLE, TOKEN)
    with ExitStack() as stack:
        yield lambda cloud: stack.enter_context(running(cloud))


def project(cloud: Cloud) -> Project:
    return Project.model_validate(
        {
            "project": {"name": "acme"},
            "leads": {"source": "leads.parquet", "id": "lead_id", "created_at": "created_at"},
            "conversion": {"event": "opportunity_created", "horizon": "90d"},
            "network": {"allow": ["127.0.0.1"]},
            "write_back": {
                "crm": type(cloud).__name__.lower(),
                "url": cloud.url,
                "credentials": VARIABLE,
                "requests_per_second": 10_000.0,
            },
        }
    )


def read(cloud: Cloud, folder: Path, *, now: int = NOW, as_of: int | None = None) -> Pulled:
    with open_reader(project(cloud), sleep=lambda _: None) as crm:
        return pull(crm, folder, now=now, as_of=as_of)


def rows(folder: Path, kind: str) -> list[dict[str, Any]]:
    return list(pq.read_table(folder / f"{kind}.parquet").to_pylist())


def types_of(folder: Path, lead: str) -> list[str]:
    """Name what happened to a lead, in order."""
    mine = [row for row in rows(folder, "events") if row["lead_id"] == lead]
    return [row["type"] for row in sorted(mine, key=lambda row: (row["at"], row["type"]))]


def at(row: dict[str, Any], name: str = "at") -> str:
    return str(row[name].isoformat())


# -- Salesforce ----------------------------------------------------------------------------


def test_salesforce_leads_activities_and_history_come_in(serve: Any, tmp_path: Path) -> None:
    cloud = serve(salesforce())
    counts = read(cloud, tmp_path).counts
    assert {kind: count.total for kind, count in counts.items()} == {
        "leads": 7,
        "events": 9,
        "lead_history": 3,
    }
    leads = {row["lead_id"]: row for row in rows(tmp_path, "leads")}
    first = leads["00Q000000000001AAA"]
    assert (first["company"], first["owner"], first["Budget__c"]) == ("Company 1", "005A", "known")
    assert at(first, "created_at") == "2026-01-01T09:00:00+00:00"
    assert "score__c" not in first
    assert types_of(tmp_path, "00Q000000000001AAA") == [
        "call",
        "status_working_contacted",
        "opportunity_created",
    ]
    assert types_of(tmp_path, "00Q000000000003AAA") == ["deleted"]
    assert types_of(tmp_path, "00Q000000000004AAA") == ["merged"]
    assert types_of(tmp_path, "00Q000000000005AAA") == ["call", "email"]
    changes = {row["field"]: (row["old"], row["new"]) for row in rows(tmp_path, "lead_history")}
    assert changes == {
        "status": ("Open", "Working - Contacted"),
        "owner": ("005B", "005A"),
        "Budget__c": (None, "known"),
    }


def conversions(folder: Path) -> dict[str, str]:
    ends = [row for row in rows(folder, "events") if row["event_id"].startswith("converted")]
    return {row["type"]: at(row) for row in ends}


def test_salesforce_conversions_are_dated_by_history_or_by_the_first_moment_of_the_day(
    serve: Any, tmp_path: Path
) -> None:
    read(serve(salesforce()), tmp_path)
    assert conversions(tmp_path) == {
        "opportunity_created": "2026-03-01T15:04:00+00:00",
        "converted": "2024-02-29T10:00:00+00:00",
    }


def test_a_logged_call_counts_from_when_it_was_known(serve: Any, tmp_path: Path) -> None:
    read(serve(salesforce()), tmp_path)
    calls = [row for row in rows(tmp_path, "events") if row["type"] == "call"]
    assert {(at(row), at(row, "recorded_at"), row["direction"]) for row in calls} == {
        ("2026-02-03T00:00:00+00:00", "2026-02-04T09:00:00+00:00", "outbound")
    }


def test_history_that_was_not_granted_is_told_and_read_from_the_beginning_later(
    serve: Any, tmp_path: Path
) -> None:
    cloud = serve(salesforce())
    cloud.denied = {"LeadHistory"}
    first = read(cloud, tmp_path)
    assert "turn on field history tracking" in first.gaps[0]
    assert first.counts["lead_history"].total == 0
    assert conversions(tmp_path)["opportunity_created"] == "2026-02-28T10:00:00+00:00"
    cloud.denied = set()
    second = read(cloud, tmp_path)
    assert (second.gaps, second.counts["lead_history"].new) == ((), 3)
    assert conversions(tmp_path)["opportunity_created"] == "2026-03-01T15:04:00+00:00"


# -- HubSpot -------------------------------------------------------------------------------


def test_hubspot_contacts_engagements_and_property_history_come_in(
    serve: Any, tmp_path: Path
) -> None:
    counts = read(serve(hubspot()), tmp_path).counts
    assert {kind: count.total for kind, count in counts.items()} == {
        "leads": 4,
        "events": 14,
        "lead_history": 7,
    }
    lead = next(row for row in rows(tmp_path, "leads") if row["lead_id"] == "1")
    assert (lead["email"], lead["plan_size"], lead.get("score")) == ("a1@example.com", "12", None)
    assert (lead["source"], lead["own_source"]) == ("ORGANIC_SEARCH", "fair")
    assert lead["own_at"] == "the fair"
    assert types_of(tmp_path, "1") == [
        "lifecyclestage_lead",
        "call",
        "email",
        "lifecyclestage_opportunity",
    ]
    assert types_of(tmp_path, "2") == [
        "lifecyclestage_lead",
        "call",
        "meeting_no_show",
        "note",
        "task",
    ]
    assert (types_of(tmp_path, "5"), types_of(tmp_path, "77")) == (["deleted"], ["merged"])
    changes = [row for row in rows(tmp_path, "lead_history") if row["lead_id"] == "1"]
    assert sorted((row["field"], row["old"], row["new"]) for row in changes if row["old"]) == [
        ("lifecyclestage", "lead", "opportunity"),
        ("plan_size", "3", "12"),
    ]
    call = next(row for row in rows(tmp_path, "events") if row["event_id"] == "call-10-2")
    assert (at(call), at(call, "recorded_at"), call["direction"]) == (
        "2026-02-01T09:00:00+00:00",
        "2026-02-02T09:00:00+00:00",
        "inbound",
    )


def test_hubspot_is_read_beyond_ten_thousand_results(serve: Any, tmp_path: Path) -> None:
    cloud = hubspot(10_250)
    cloud.page, cloud.stumbles = 200, 0
    counts = read(serve(cloud), tmp_path).counts
    assert counts["leads"].total == 10_249  # one is in the recycle bin


def test_a_scope_that_is_missing_leaves_a_gap_and_the_rest_comes_in(
    serve: Any, tmp_path: Path
) -> None:
    cloud = serve(hubspot())
    cloud.denied = {"emails"}
    first = read(cloud, tmp_path)
    assert "MISSING_SCOPES" in first.gaps[0]
    assert first.gaps[0].endswith("grant the token the scope for emails")
    cloud.denied = set()
    assert read(cloud, tmp_path).counts["events"].new == 1


# -- Dataverse -----------------------------------------------------------------------------


def test_dataverse_leads_activities_and_audit_history_come_in(serve: Any, tmp_path: Path) -> None:
    counts = read(serve(dataverse()), tmp_path).counts
    assert {kind: count.total for kind, count in counts.items()} == {
        "leads": 5,
        "events": 6,
        "lead_history": 2,
    }
    lead = next(row for row in rows(tmp_path, "leads") if row["lead_id"] == guid(1, 1))
    assert (lead["company"], lead["state"], lead["new_budget"]) == (
        "Company 1",
        "qualified",
        "known",
    )
    assert not {"leadscore_score", "address1_city"} & set(lead)
    assert types_of(tmp_path, guid(1, 1)) == ["phonecall", "state_qualified", "opportunity_created"]
    assert types_of(tmp_path, guid(1, 9)) == ["deleted"]
    changes = {row["field"]: (row["old"], row["new"]) for row in rows(tmp_path, "lead_history")}
    assert changes == {"state": ("open", "qualified"), "new_budget": (None, "known")}
    call = next(row for row in rows(tmp_path, "events") if row["lead_id"] == guid(1, 2))
    assert (at(call), at(call, "recorded_at")) == (
        "2026-02-01T09:00:00+00:00",
        "2026-02-02T09:00:00+00:00",
    )


def test_dataverse_without_auditing_says_so(serve: Any, tmp_path: Path) -> None:
    cloud = serve(dataverse())
    cloud.audited = False
    gaps = read(cloud, tmp_path).gaps
    assert gaps[0].startswith("no history of columns and stages: auditing is off")


# -- all three -----------------------------------------------------------------------------

CLOUDS = (salesforce, hubspot, dataverse)


@pytest.mark.parametrize("make", CLOUDS)
def test_a_second_pull_asks_for_what_is_new_and_changes_nothing(
    make: Any, serve: Any, tmp_path: Path
) -> None:
    cloud = serve(make())
    first = read(cloud, tmp_path)
    before = {kind: path.read_bytes() for kind, path in first.paths.items()}
    asked = len(cloud.seen)
    second = read(cloud, tmp_path)
    assert {count.new for count in second.counts.values()} == {0}
    assert {kind: path.read_bytes() for kind, path in second.paths.items()} == before
    assert len(cloud.seen) - asked < asked


@pytest.mark.parametrize("make", CLOUDS)
def test_a_past_moment_holds_nothing_recorded_since(make: Any, serve: Any, tmp_path: Path) -> None:
    as_of = 1_771_113_600_000_000  # 2026-02-15
    read(serve(make()), tmp_path, as_of=as_of)
    for kind, clock in (("events", "recorded_at"), ("leads", "created_at")):
        assert all(row[clock].timestamp() * 1e6 < as_of for row in rows(tmp_path, kind))
    assert not (tmp_path / "watermark.json").exists()


@pytest.mark.parametrize("make", CLOUDS)
def test_a_token_that_is_refused_is_one_line_without_the_token(
    make: Any, serve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = serve(make())
    monkeypatch.setenv(VARIABLE, "wr0ng")
    with pytest.raises(OutsideError, match="401") as caught:
        read(cloud, tmp_path)
    assert "wr0ng" not in str(caught.value)
