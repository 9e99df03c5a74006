"""A simulated company as Salesforce would hold it: leads, closed tasks, field history."""

from __future__ import annotations

from typing import Any

import pandas as pd

from data.world.make import World
from tests.fakes.cloud_salesforce import Salesforce

_FIELDS = {"status": "Status", "owner": "Owner", "industry": "Industry"}


def salesforce_of(world: World) -> Salesforce:
    """Put a world into Salesforce; activities of converted leads belong to their contacts."""
    won = world.frames["opportunities"].sort_values("created_at").drop_duplicates("lead_id")
    converted = dict(zip(won["lead_id"], won["created_at"], strict=True))
    tables = {
        "Lead": [_lead(row, converted) for row in world.frames["leads"].to_dict("records")],
        "LeadHistory": _history(world, converted),
        "Task": [_task(row, converted) for row in world.frames["touches"].to_dict("records")],
        "Event": [],
    }
    return Salesforce(tables=tables)


def stamp(moment: pd.Timestamp) -> str:
    """Write a time as Salesforce does: milliseconds, +0000."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}+0000"


def lead_id(world_id: str) -> str:
    """Turn L0000012 into an 18-character id of a Lead."""
    return f"00Q{world_id[1:]:0>12}AAA"


def contact_id(world_id: str) -> str:
    """Name the contact that a lead became."""
    return f"003{world_id[1:]:0>12}AAA"


def _lead(row: dict[Any, Any], converted: dict[str, pd.Timestamp]) -> dict[str, Any]:
    name = row["lead_id"]
    end = converted.get(name)
    modified = max(filter(pd.notna, (row["last_modified_at"], row["created_at"], end)))
    made = {
        "Id": lead_id(name),
        "Company": row["company"],
        "Title": _text(row["job_title"]),
        "Email": _text(row["email"]),
        "Status": _text(row["status"]),
        "LeadSource": row["source"],
        "Industry": _text(row["industry"]),
        "Country": row["country"],
        "OwnerId": row["owner"],
        "CreatedDate": stamp(row["created_at"]),
        "SystemModstamp": stamp(modified),
        "IsDeleted": False,
        "IsConverted": end is not None,
    }
    if end is None:
        return made
    return {
        **made,
        "ConvertedDate": f"{end:%Y-%m-%d}",
        "ConvertedContactId": contact_id(name),
        "ConvertedOpportunityId": f"006{name[1:]:0>12}AAA",
    }


def _history(world: World, converted: dict[str, pd.Timestamp]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []

    def add(lead: str, at: pd.Timestamp, field: str, **values: object) -> None:
        number = f"017{len(rows):012d}AAA"
        made = {"Id": number, "IsDeleted": False, "LeadId": lead_id(lead), "CreatedDate": stamp(at)}
        rows.append({**made, "Field": field, "DataType": "EntityId", **values})

    for row in world.frames["lead_history"].to_dict("records"):
        field = _FIELDS.get(row["field"])
        if field:
            add(
                row["lead_id"],
                row["changed_at"],
                field,
                OldValue=_text(row["old"]),
                NewValue=_text(row["new"]),
            )
    for lead, at in converted.items():
        add(lead, at, "leadConverted")
    return rows


def _task(row: dict[Any, Any], converted: dict[str, pd.Timestamp]) -> dict[str, Any]:
    lead = row["lead_id"]
    at = stamp(row["ingested_at"])
    return {
        "Id": f"00T{row['touch_id'][1:]:0>12}AAA",
        "IsDeleted": False,
        "IsClosed": True,
        "WhoId": contact_id(lead) if lead in converted else lead_id(lead),
        "CreatedDate": at,
        "CompletedDateTime": at,
        "SystemModstamp": at,
        "ActivityDate": None,
        "TaskSubtype": row["touch_type"],
        "CallType": row["direction"],
    }


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
