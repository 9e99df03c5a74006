"""HubSpot's object API -> contacts, engagements, property history. Contract-tested, not live.

Search gives at most 10,000 results per query and no history or associations. So it only finds ids,
in order of the id, each query beginning after the last id; what is modified meanwhile keeps its
place, so that nothing is skipped. The rows come by batch read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import httpx

from serving.crm.crm_rows import (
    COLUMNS,
    NUMBERS,
    TIMES,
    TODAYS,
    Page,
    Since,
    change,
    chunks,
    event,
    moment,
    word,
)
from serving.crm.http import Http, results, rows_of
from serving.crm.interface import Denied, Unsure, Value
from serving.crm.retries import RetryingCall
from serving.crm.score_columns import time_of

_CONTACTS: Final = "/crm/v3/objects/contacts"
_NAMES: Final = {
    "email": "email",
    "jobtitle": "title",
    "company": "company",
    "country": "country",
    "industry": "industry",
    "numemployees": "employees",
    "annualrevenue": "revenue",
    "hs_analytics_source": "source",
    "hubspot_owner_id": "owner",
    "lifecyclestage": "lifecyclestage",
    "hs_lead_status": "lead_status",
}
"""HubSpot's names of a contact's properties -> our names; a company's own ones keep theirs."""
_STAGES: Final = ("lifecyclestage", "hs_lead_status")
_REPLAYED: Final = (*_STAGES, "hubspot_owner_id")
_MERGED: Final = "hs_calculated_merged_vids"  # "id:milliseconds;…" of contacts merged into this one
_STAMP: Final = "hs_lastmodifieddate"
_ENGAGEMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "calls": ("hs_call_direction",),
    "emails": ("hs_email_direction",),
    "meetings": ("hs_meeting_outcome",),
    "notes": (),
    "tasks": ("hs_task_status", "hs_task_completion_date"),
}
_SEARCH_LIMIT: Final = 200  # ids per search
_WITH_HISTORY: Final = 50  # contacts per batch read with history
_SCHEMAS: Final = "crm.schemas.contacts.read"
_SIDES: Final = {
    "INCOMING_EMAIL": "inbound",
    "INBOUND": "inbound",
    "EMAIL": "outbound",
    "FORWARDED_EMAIL": "outbound",
    "OUTBOUND": "outbound",
}
_NOT_HELD: Final = ("CANCELED", "NO_SHOW", "RESCHEDULED")


class HubSpotReader:
    """Reads contacts and what belongs to them; `score_fields` are left out."""

    def __init__(
        self, http: Http, ask: RetryingCall, *, score_fields: Collection[str] = ()
    ) -> None:
        self._http, self._ask, self._score_fields = http, ask, set(score_fields)
        self.origin = f"hubspot {http.url}"
        self.gaps: dict[str, str] = {}

    def read(self, since: Since, *, as_of: int | None = None) -> Iterator[Page]:
        """Read contacts with their history, those deleted, then the five kinds of engagements."""
        self.gaps = {} if as_of is None else {"values": TODAYS}
        yield from self._contacts(since.of("contacts"), as_of)
        yield from self._deleted(since.of("contacts"), as_of)
        for name in _ENGAGEMENTS:
            try:
                yield from self._engagements(name, since.of(name), as_of)
            except Denied as error:
                self.gaps[name] = f"no {name}: {error}; grant the token the scope for {name}"

    # -- contacts --------------------------------------------------------------------------

    def _contacts(self, since: int | None, as_of: int | None) -> Iterator[Page]:
        own = self._own()
        replayed = [*_REPLAYED, *own]
        wanted = [*_NAMES, *own, "createdate", "lastmodifieddate", _MERGED]
        for page in self._search(_CONTACTS, since, as_of, ("lastmodifieddate", "createdate"), []):
            for some in chunks(page, _WITH_HISTORY):
                body = {
                    "inputs": [{"id": str(row["id"])} for row in some],
                    "properties": wanted,
                    "propertiesWithHistory": replayed,
                }
                rows = results(self._post(f"{_CONTACTS}/batch/read", body))
                yield Page("leads", tuple(_lead(row, own) for row in rows))
                changes = [each for row in rows for each in _changes(row, as_of)]
                yield Page("lead_history", tuple(changes))
                stages = [_stage(each) for each in changes if each["field"] in _stage_names()]
                merged = [each for row in rows for each in _merged(row, as_of)]
                yield Page("events", (*stages, *merged))

    def _own(self) -> list[str]:
        """List the company's own properties of contacts, our score fields left out."""
        try:
            answer = self._ask(lambda: self._http.ask("GET", "/crm/v3/properties/contacts"))
        except Denied as error:
            self.gaps["contacts"] = f"no properties of your own: {error}; grant {_SCHEMAS}"
            return []
        properties = rows_of(answer)
        own = (str(each["name"]) for each in properties if not each.get("hubspotDefined", True))
        return sorted(name for name in own if name not in self._score_fields)

    def _deleted(self, since: int | None, as_of: int | None) -> Iterator[Page]:
        """Read contacts in the recycle bin, where they stay for 90 days."""
        after: str | None = ""
        while after is not None:
            query = {"archived": "true", "limit": "100", **({"after": after} if after else {})}
            path = f"{_CONTACTS}?{httpx.QueryParams(query)}"
            answer = self._ask(lambda path=path: self._http.ask("GET", path))  # type: ignore[misc]
            deletions = []
            for row in results(answer):
                at = time_of(row.get("archivedAt"))
                if isinstance(at, int) and (since or 0) <= at and (as_of is None or at < as_of):
                    lead = str(row["id"])
                    deletions.append(
                        event(f"deleted-{lead}", lead, "deleted", at, recorded=at, changed=at)
                    )
            yield Page("events", tuple(deletions))
            after = ((answer.get("paging") or {}).get("next") or {}).get("after")

    # -- engagements -----------------------------------------------------------------------

    def _engagements(self, name: str, since: int | None, as_of: int | None) -> Iterator[Page]:
        path = f"/crm/v3/objects/{name}"
        wanted = ["hs_timestamp", "hs_createdate", _STAMP, *_ENGAGEMENTS[name]]
        for page in self._search(path, since, as_of, (_STAMP, "hs_createdate"), wanted):
            contacts = self._associated(name, [str(row["id"]) for row in page])
            yield Page(
                "events",
                tuple(
                    each
                    for row in page
                    for contact in contacts.get(str(row["id"]), ())
                    for each in _engagement(name.removesuffix("s"), row, contact, as_of)
                ),
            )

    def _associated(self, name: str, ids: list[str]) -> dict[str, list[str]]:
        """Find the contacts of engagements; one engagement may have many."""
        path = f"/crm/v4/associations/{name}/contacts/batch/read"
        asked: list[dict[str, str]] = [{"id": each} for each in ids]
        contacts: dict[str, list[str]] = {}
        while asked:
            answer = self._post(path, {"inputs": asked})
            asked = []
            for each in rows_of(answer):
                one = str(each["from"]["id"])
                contacts.setdefault(one, []).extend(str(to["toObjectId"]) for to in each["to"])
                after = ((each.get("paging") or {}).get("next") or {}).get("after")
                asked += [{"id": one, "after": after}] if after else []
        return contacts

    # -- requests --------------------------------------------------------------------------

    def _search(
        self,
        path: str,
        since: int | None,
        as_of: int | None,
        clocks: tuple[str, str],
        properties: Sequence[str],
    ) -> Iterator[list[dict[str, Any]]]:
        """Search by modification, page by id: each query begins after the last id."""
        changed, created = clocks
        last: str | None = None
        while True:
            filters = [_filter(changed, "GTE", since // 1000)] if since is not None else []
            filters += [_filter(created, "LT", -(-as_of // 1000))] if as_of is not None else []
            filters += [_filter("hs_object_id", "GT", last)] if last is not None else []
            body = {
                "filterGroups": [{"filters": filters}] if filters else [],
                "properties": list(properties),
                "sorts": ["hs_object_id"],
                "limit": _SEARCH_LIMIT,
                "after": "0",
            }
            answer = self._post(f"{path}/search", body)
            page = results(answer)
            if not page:
                return
            yield page
            newest = max((str(row["id"]) for row in page), key=int)
            if last is not None and int(newest) <= int(last):
                raise Unsure("a search that does not move on")
            last = newest
            if not (answer.get("paging") or {}).get("next"):
                return

    def _post(self, path: str, body: object) -> Any:
        return self._ask(lambda: self._http.post(path, body))


def _filter(name: str, operator: str, value: object) -> dict[str, str]:
    return {"propertyName": name, "operator": operator, "value": str(value)}


def _stage_names() -> set[str]:
    return {_NAMES[name] for name in _STAGES}


def _column_of(name: str) -> str:
    """Name a property's column; one of the company's own never takes a standard name."""
    taken = {*_NAMES.values(), *COLUMNS["leads"], *TIMES, *NUMBERS}
    return _NAMES.get(name) or (f"own_{name}" if name in taken else name)


def _lead(row: Mapping[str, Any], own: Sequence[str]) -> dict[str, Value]:
    properties = row.get("properties") or {}
    standard = {column: properties.get(name) or None for name, column in _NAMES.items()}
    changed = properties.get("lastmodifieddate") or row.get("updatedAt")
    return {
        **{_column_of(name): properties.get(name) or None for name in own},
        **standard,
        "lead_id": str(row["id"]),
        "created_at": time_of(properties.get("createdate") or row.get("createdAt")),
        "changed_at": time_of(changed),
    }


def _changes(row: Mapping[str, Any], as_of: int | None) -> Iterator[dict[str, Value]]:
    """Turn the versions of each property, oldest first, into changes."""
    lead = str(row["id"])
    for property_name, versions in (row.get("propertiesWithHistory") or {}).items():
        column, before = _column_of(property_name), None
        dated = [
            (moment(time_of(each.get("timestamp"))), each.get("value") or None) for each in versions
        ]
        for at, value in sorted(dated, key=lambda each: each[0]):
            if value != before and (as_of is None or at < as_of):
                yield change(f"{lead}-{property_name}-{at}", lead, column, before, value, at)
            before = value


def _stage(row: Mapping[str, Value]) -> dict[str, Value]:
    at, kind = moment(row["changed_at"]), f"{row['field']}_{word(row['new'])}"
    return event(
        f"stage-{row['change_id']}", str(row["lead_id"]), kind, at, recorded=at, changed=at
    )


def _merged(row: Mapping[str, Any], as_of: int | None) -> Iterator[dict[str, Value]]:
    """Make an event of each contact that was merged into this one."""
    for pair in str((row.get("properties") or {}).get(_MERGED) or "").split(";"):
        lead, _, millis = pair.partition(":")
        at = int(millis) * 1000 if millis.isascii() and millis.isdigit() else None
        if lead.isdigit() and lead != str(row["id"]) and at and (as_of is None or at < as_of):
            yield event(f"merged-{lead}", lead, "merged", at, recorded=at, changed=at)


def _engagement(
    kind: str, row: Mapping[str, Any], contact: str, as_of: int | None
) -> Iterator[dict[str, Value]]:
    """Make an event of an engagement; a task or an outcome counts from when it was known.

    An open task is only planned, so it is no event.
    """
    properties = row.get("properties") or {}
    changed = moment(time_of(properties.get(_STAMP) or row.get("updatedAt")))
    recorded = moment(time_of(properties.get("hs_createdate") or row.get("createdAt")))
    outcome = str(properties.get("hs_meeting_outcome") or "")
    if kind == "task":
        if properties.get("hs_task_status") != "COMPLETED":
            return
        done = time_of(properties.get("hs_task_completion_date"))
        recorded = done if isinstance(done, int) else changed
    elif outcome in _NOT_HELD:
        kind, recorded = f"meeting_{word(outcome)}", changed
    at = moment(time_of(properties.get("hs_timestamp") or row.get("createdAt")))
    at = min(at, recorded) if kind == "task" else at
    if as_of is None or recorded < as_of:
        side = properties.get("hs_call_direction") or properties.get("hs_email_direction")
        event_id = f"{kind.partition('_')[0]}-{row['id']}-{contact}"
        yield event(
            event_id,
            contact,
            kind,
            at,
            recorded=recorded,
            changed=changed,
            direction=_SIDES.get(str(side)),
        )
