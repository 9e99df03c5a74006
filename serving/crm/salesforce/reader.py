"""Salesforce's query API -> leads, tasks and events, field history. Contract-tested, not live.

- `queryAll` is asked, not `query`: Salesforce archives activities after a year, and deleted and
  merged leads are part of the past.
- Converting a lead moves its activities to the contact: `ConvertedContactId` gives them back to the
  lead, else exactly the leads that converted would have no past.
- `Lead.ConvertedDate` is a day without a time. The moment comes from the lead's history where it
  is kept (24 months); else the earliest moment at which that day began anywhere counts, so that
  nothing that came with the conversion looks as if it had come before.
- Only closed tasks are events: an open one is only planned. A deleted one was known until then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from typing import Any, Final

import httpx

from data.durations import HOUR, SECOND
from serving.crm.crm_rows import TODAYS, Page, Since, change, chunks, event, moment, word
from serving.crm.http import Http
from serving.crm.interface import Denied, Refused, Unsure, Value
from serving.crm.retries import RetryingCall
from serving.crm.salesforce.writer import VERSION
from serving.crm.score_columns import time_of, to_iso

_NAMES: Final = {
    "Company": "company",
    "Title": "title",
    "Email": "email",
    "Status": "status",
    "LeadSource": "source",
    "Industry": "industry",
    "Rating": "rating",
    "Country": "country",
    "OwnerId": "owner",
    "NumberOfEmployees": "employees",
    "AnnualRevenue": "revenue",
}
"""Salesforce's fields of a lead -> our names; custom fields keep theirs. No names of persons."""
_NEEDED: Final = (
    "Id",
    "CreatedDate",
    "SystemModstamp",
    "IsDeleted",
    "MasterRecordId",
    "IsConverted",
    "ConvertedDate",
    "ConvertedContactId",
    "ConvertedOpportunityId",
)
_HISTORY_NAMES: Final = {**_NAMES, "Owner": "owner"}
_NO_FIELDS: Final = (
    "created",
    "leadConverted",
    "leadMerged",
    "ownerAssignment",
    "ownerAccepted",
    "locked",
    "unlocked",
)
"""What a history's Field says where no field changed."""
_TASK: Final = (
    "WhoId, ActivityDate, CreatedDate, CompletedDateTime, SystemModstamp, TaskSubtype, CallType"
)
_EVENT: Final = "WhoId, ActivityDate, ActivityDateTime, CreatedDate, SystemModstamp, EventSubtype"
_PER_QUERY: Final = 200  # ids in one IN: the whole request must stay below 16 kB
_EARLIEST_MIDNIGHT: Final = 14 * HOUR  # before midnight UTC: where a day begins first (UTC+14)
_ID: Final = re.compile(r"[A-Za-z0-9]{15,18}")


class SalesforceReader:
    """Reads leads and what belongs to them; `score_fields` are left out."""

    def __init__(
        self, http: Http, ask: RetryingCall, *, score_fields: Collection[str] = ()
    ) -> None:
        self._http, self._ask, self._score_fields = http, ask, set(score_fields)
        self.origin = f"salesforce {http.url}"
        self.gaps: dict[str, str] = {}

    def read(self, since: Since, *, as_of: int | None = None) -> Iterator[Page]:
        """Read history first (whether it is kept says how conversions are dated), then the rest."""
        self.gaps = {} if as_of is None else {"values": TODAYS}
        kept = yield from self._history(since.of("history"), as_of)
        # Where the history is read for the first time, conversions dated by day get their moment.
        yield from self._leads(since.of("history" if kept else "leads"), as_of, history=kept)
        contacts = self._contacts()
        where = "Who.Type IN ('Lead', 'Contact')"
        for name, fields, closed, to_event in (
            ("Task", _TASK, " AND IsClosed = true", _task),
            ("Event", _EVENT, "", _meeting),
        ):
            rows = self._pages(
                f"SELECT Id, {fields} FROM {name} WHERE {where}{closed}"  # noqa: S608  # our own names
                f"{_bounds(since.of('activities'), as_of)} ORDER BY Id"
            )
            for page in rows:
                yield Page("events", tuple(_events_of(page, contacts, to_event, as_of)))

    def _history(self, since: int | None, as_of: int | None) -> Generator[Page, None, bool]:
        """Read changes of fields, and stages as events; tell whether there is a history."""
        query = (
            "SELECT Id, LeadId, Field, DataType, OldValue, NewValue, CreatedDate"  # noqa: S608  # times
            " FROM LeadHistory"
            f"{_bounds(since, as_of, stamp='CreatedDate', start='WHERE')} ORDER BY Id"
        )
        try:
            for page in self._pages(query):
                rows = [row for row in page if row["Field"] not in _NO_FIELDS]
                # A look-up field has two rows, one with names and one with ids; leads hold ids.
                owned = [
                    r for r in rows if r["Field"] != "Owner" or r.get("DataType") == "EntityId"
                ]
                yield Page("lead_history", tuple(self._change(row) for row in owned))
                stages = [row for row in rows if row["Field"] == "Status"]
                yield Page("events", tuple(self._stage(row) for row in stages))
        except (Refused, Denied) as error:
            self.gaps["history"] = (
                f"no field history: {error}; turn on field history tracking of leads (Status, Owner"
                " and what you score by) and grant it"
            )
            return False
        return True

    def _change(self, row: Mapping[str, Any]) -> dict[str, Value]:
        name = _HISTORY_NAMES.get(row["Field"], row["Field"])
        lead = row["LeadId"]
        return change(row["Id"], lead, name, row.get("OldValue"), row.get("NewValue"), _at(row))

    def _stage(self, row: Mapping[str, Any]) -> dict[str, Value]:
        at, lead = _at(row), row["LeadId"]
        kind = f"status_{word(row.get('NewValue'))}"
        return event(f"history-{row['Id']}", lead, kind, at, recorded=at, changed=at)

    def _leads(self, since: int | None, as_of: int | None, *, history: bool) -> Iterator[Page]:
        """Read leads, those deleted, merged and converted too, and what became of them."""
        names = self._fields()
        query = (
            f"SELECT {', '.join(names)} FROM Lead"  # noqa: S608  # as Salesforce names them
            f"{_bounds(since, as_of, start='WHERE')} ORDER BY Id"
        )
        for page in self._pages(query):
            yield Page("leads", tuple(self._lead(row, names) for row in page))
            converted = [row for row in page if row.get("IsConverted")]
            moments = self._moments([row["Id"] for row in converted]) if history else {}
            ends = [_converted(row, moments.get(row["Id"])) for row in converted]
            ends += [_deleted(row) for row in page if row.get("IsDeleted")]
            known = (end for end in ends if as_of is None or moment(end["recorded_at"]) < as_of)
            yield Page("events", tuple(known))

    def _fields(self) -> list[str]:
        """List the fields of leads that we may read: those we know, and the company's own."""
        path = f"{VERSION}/sobjects/Lead/describe"
        description = self._ask(lambda: self._http.ask("GET", path))
        readable = {
            each["name"]
            for each in description["fields"]
            if each.get("type") not in ("address", "base64", "location")
        }
        for name in ("Id", "CreatedDate", "SystemModstamp"):
            if name not in readable:
                raise Denied(f"the field {name} of Lead may not be read")
        own = sorted(name for name in readable - self._score_fields if name.endswith("__c"))
        return [name for name in (*_NEEDED, *_NAMES) if name in readable] + own

    def _lead(self, row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Value]:
        values = {_NAMES.get(name, name): row.get(name) for name in names if name not in _NEEDED}
        created, changed = time_of(row["CreatedDate"]), time_of(row["SystemModstamp"])
        return {**values, "lead_id": row["Id"], "created_at": created, "changed_at": changed}

    def _moments(self, leads: list[str]) -> dict[str, int]:
        """Find when leads converted, from their history, as far back as it is kept."""
        moments: dict[str, int] = {}
        for some in chunks(leads, _PER_QUERY):
            listed = ", ".join(f"'{lead}'" for lead in some if _ID.fullmatch(lead))
            query = (
                f"SELECT LeadId, CreatedDate FROM LeadHistory"  # noqa: S608
                f" WHERE Field = 'leadConverted' AND LeadId IN ({listed})"
            )
            for page in self._pages(query):
                moments |= {row["LeadId"]: _at(row) for row in page}
        return moments

    def _contacts(self) -> dict[str, str]:
        """Map the contacts that leads became to those leads; of several the newest."""
        query = (
            "SELECT Id, ConvertedContactId FROM Lead"
            " WHERE ConvertedContactId != null ORDER BY CreatedDate, Id"
        )
        return {row["ConvertedContactId"]: row["Id"] for page in self._pages(query) for row in page}

    def _pages(self, query: str) -> Iterator[list[dict[str, Any]]]:
        """Page through a query; its cursor is not moved by what changes meanwhile."""
        path: str | None = f"{VERSION}/queryAll?{httpx.QueryParams({'q': query})}"
        while path is not None:
            answer = self._ask(lambda path=path: self._http.ask("GET", path))  # type: ignore[misc]
            if not isinstance(answer, dict) or not isinstance(answer.get("records"), list):
                raise Unsure("an answer without records")
            yield answer["records"]
            path = answer.get("nextRecordsUrl")
            if path is not None and not path.startswith("/"):
                raise Unsure("a next page on another host")


def _bounds(
    since: int | None, as_of: int | None, *, stamp: str = "SystemModstamp", start: str = "AND"
) -> str:
    """Write the bounds in time as SOQL, in whole seconds, rounded down."""
    clauses = [f"{stamp} >= {_soql(since)}"] if since is not None else []
    clauses += [f"CreatedDate < {_soql(as_of)}"] if as_of is not None else []
    return f" {start} {' AND '.join(clauses)}" if clauses else ""


def _soql(micros: int) -> str:
    return to_iso(micros // SECOND * SECOND).replace("+00:00", "Z")


def _events_of(
    rows: Sequence[Mapping[str, Any]],
    contacts: Mapping[str, str],
    to_event: Callable[[Mapping[str, Any], str], dict[str, Value]],
    as_of: int | None,
) -> Iterator[dict[str, Value]]:
    """Make events of activities; those of a contact belong to the lead that it was before."""
    for row in rows:
        who = str(row.get("WhoId") or "")
        lead = who if who.startswith("00Q") else contacts.get(who)
        if lead is not None:
            one = to_event(row, lead)
            if as_of is None or moment(one["recorded_at"]) < as_of:
                yield one


def _task(row: Mapping[str, Any], lead: str) -> dict[str, Value]:
    """Make an event of a closed task: known when it was closed, done on its day, if before."""
    recorded = moment(time_of(row.get("CompletedDateTime") or row["CreatedDate"]))
    day = time_of(row.get("ActivityDate"))
    kind = word(row.get("TaskSubtype") or "task")
    direction = word(row["CallType"]) if row.get("CallType") else None
    return event(
        f"task-{row['Id']}",
        lead,
        kind,
        min(day, recorded) if isinstance(day, int) else recorded,
        recorded=recorded,
        changed=moment(time_of(row["SystemModstamp"])),
        direction=direction,
    )


def _meeting(row: Mapping[str, Any], lead: str) -> dict[str, Value]:
    recorded = moment(time_of(row["CreatedDate"]))
    at = time_of(row.get("ActivityDateTime") or row.get("ActivityDate"))
    return event(
        f"event-{row['Id']}",
        lead,
        word(row.get("EventSubtype") or "event"),
        at if isinstance(at, int) else recorded,
        recorded=recorded,
        changed=moment(time_of(row["SystemModstamp"])),
    )


def _converted(row: Mapping[str, Any], exact: int | None) -> dict[str, Value]:
    """Make the event of a conversion: at the moment in its history, else at the day's first one."""
    created, changed = (moment(time_of(row[name])) for name in ("CreatedDate", "SystemModstamp"))
    day = time_of(row.get("ConvertedDate"))
    first = max(created, day - _EARLIEST_MIDNIGHT) if isinstance(day, int) else changed
    at = first if exact is None else exact
    kind = "opportunity_created" if row.get("ConvertedOpportunityId") else "converted"
    return event(f"converted-{row['Id']}", row["Id"], kind, at, recorded=at, changed=changed)


def _deleted(row: Mapping[str, Any]) -> dict[str, Value]:
    """Make the event of a lead deleted or merged into another: its stamp is of that moment."""
    at = moment(time_of(row["SystemModstamp"]))
    kind = "merged" if row.get("MasterRecordId") else "deleted"
    return event(f"{kind}-{row['Id']}", row["Id"], kind, at, recorded=at, changed=at)


def _at(row: Mapping[str, Any]) -> int:
    return moment(time_of(row["CreatedDate"]))
