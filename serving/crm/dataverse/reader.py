"""Dataverse's Web API -> leads, activities, audit history. Contract-tested, not tested live.

Rows are read in order of creation, which no later change can shift. Qualifying a lead makes an
opportunity with `originatingleadid`: that is the conversion, with its moment. Activities that were
moved to the opportunity count for the lead that it came from. Changes of columns come from the
audit log, where auditing is on and readable: one request for each change.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

import httpx

from data.durations import SECOND
from serving.crm.crm_rows import TODAYS, Page, Since, change, event, moment, word
from serving.crm.dataverse.writer import API, values_of
from serving.crm.http import Http
from serving.crm.interface import Denied, Refused, Unsure, Value
from serving.crm.retries import RetryingCall
from serving.crm.score_columns import time_of, to_iso

_NAMES: Final = {
    "companyname": "company",
    "jobtitle": "title",
    "emailaddress1": "email",
    "address1_country": "country",
    "numberofemployees": "employees",
    "revenue": "revenue",
    "leadsourcecode": "source",
    "industrycode": "industry",
    "leadqualitycode": "rating",
    "_ownerid_value": "owner",
    "statecode": "state",
    "statuscode": "status",
    "need": "need",
    "budgetstatus": "budget",
    "purchasetimeframe": "timing",
    "decisionmaker": "decision_maker",
}
"""Dataverse's columns of a lead -> our names; a publisher's own columns keep theirs."""
_OWN: Final = re.compile(r"(?!address\d_|msdyn_|adx_|yomi)[a-z][a-z0-9]{1,7}_[a-z0-9_]+")
_STATES: Final = {0: "open", 1: "qualified", 2: "disqualified"}
_COMPLETED: Final = 1  # of activities; 0 open, 2 canceled, 3 scheduled
_UPDATED: Final = "operation eq 2 or operation eq 3"  # of the audit log; 3 is deleted
_DELETE: Final = 3


class DataverseReader:
    """Reads leads and what belongs to them; `score_fields` are left out."""

    def __init__(
        self, http: Http, ask: RetryingCall, *, score_fields: Collection[str] = ()
    ) -> None:
        self._http, self._ask, self._score_fields = http, ask, set(score_fields)
        self.origin = f"dataverse {http.url}"
        self.gaps: dict[str, str] = {}

    def read(self, since: Since, *, as_of: int | None = None) -> Iterator[Page]:
        """Read leads, the opportunities they became, activities, and the audit log."""
        self.gaps = {} if as_of is None else {"values": TODAYS}
        for rows in self._pages("leads", _bounds(since.of("leads"), as_of), "leadid"):
            yield Page("leads", tuple(self._lead(row) for row in rows))
        yield from self._opportunities(since.of("opportunities"), as_of)
        yield from self._activities(since.of("activities"), as_of)
        yield from self._audited(since.of("audit"), as_of)

    def _lead(self, row: Mapping[str, Any]) -> dict[str, Value]:
        own = {name: value for name, value in row.items() if self._is_own(name)}
        standard = {field: _plain_value(name, row.get(name)) for name, field in _NAMES.items()}
        return {
            **own,
            **standard,
            "lead_id": row["leadid"],
            "created_at": time_of(row["createdon"]),
            "changed_at": time_of(row["modifiedon"]),
        }

    def _is_own(self, name: str) -> bool:
        return bool(_OWN.fullmatch(name)) and name not in self._score_fields and name not in _NAMES

    def _opportunities(self, since: int | None, as_of: int | None) -> Iterator[Page]:
        bounds = ["_originatingleadid_value ne null", *_bounds(since, as_of)]
        names = "opportunityid,createdon,modifiedon,_originatingleadid_value"
        for rows in self._pages("opportunities", bounds, "opportunityid", {"$select": names}):
            yield Page("events", tuple(_opportunity(row) for row in rows))

    def _activities(self, since: int | None, as_of: int | None) -> Iterator[Page]:
        bounds = ["_regardingobjectid_value ne null", f"statecode eq {_COMPLETED}"]
        more = {
            "$select": "activityid,activitytypecode,createdon,modifiedon,actualstart,actualend",
            "$expand": "regardingobjectid_lead($select=leadid),"
            "regardingobjectid_opportunity($select=_originatingleadid_value)",
        }
        path = "activitypointers"
        for rows in self._pages(path, [*bounds, *_bounds(since, as_of)], "activityid", more):
            events = (_activity(row) for row in rows)
            known = (each for each in events if each and _before(each["recorded_at"], as_of))
            yield Page("events", tuple(known))

    # -- the audit log ---------------------------------------------------------------------

    def _audited(self, since: int | None, as_of: int | None) -> Iterator[Page]:
        """Read the audit log of leads: changes, stages, deletions."""
        bounds = ["objecttypecode eq 'lead'", f"({_UPDATED})", *_bounds(since, as_of, "createdon")]
        select = {"$select": "auditid,createdon,operation,_objectid_value"}
        try:
            if not self._is_audited():
                raise Denied("auditing is off for this environment or for the table lead")
            for rows in self._pages("audits", bounds, None, select):
                deletions = [_deleted(row) for row in rows if row["operation"] == _DELETE]
                changes = [each for row in rows for each in self._changes(row)]
                yield Page("lead_history", tuple(changes))
                stages = [_stage(each) for each in changes if each["field"] == "state"]
                yield Page("events", (*deletions, *stages))
        except (Denied, Refused) as error:
            self.gaps["audit"] = (
                f"no history of columns and stages: {error}; turn on auditing of the table lead and"
                " grant View Audit Summary and View Audit History"
            )

    def _is_audited(self) -> bool:
        where = f"{API}/organizations?$select=isauditenabled"
        rows = values_of(self._ask(lambda: self._http.ask("GET", where)))
        table = f"{API}/EntityDefinitions(LogicalName='lead')?$select=IsAuditEnabled"
        definition = self._ask(lambda: self._http.ask("GET", table))
        return bool(rows and rows[0].get("isauditenabled")) and bool(
            definition["IsAuditEnabled"]["Value"]
        )

    def _changes(self, row: Mapping[str, Any]) -> list[dict[str, Value]]:
        """Ask for the old and new values of one entry of the audit log."""
        if row["operation"] == _DELETE:
            return []
        path = f"{API}/audits({row['auditid']})/Microsoft.Dynamics.CRM.RetrieveAuditDetails"
        detail = self._ask(lambda: self._http.ask("GET", path)).get("AuditDetail") or {}
        old, new = detail.get("OldValue") or {}, detail.get("NewValue") or {}
        at, lead = moment(time_of(row["createdon"])), str(row["_objectid_value"])
        return [
            change(
                f"{row['auditid']}-{name}",
                lead,
                _NAMES.get(name, name),
                _plain_value(name, old.get(name)),
                _plain_value(name, new.get(name)),
                at,
            )
            for name in sorted({*old, *new})
            if name in _NAMES or self._is_own(name)
        ]

    # -- requests --------------------------------------------------------------------------

    def _pages(
        self,
        table: str,
        bounds: list[str],
        key: str | None,
        more: Mapping[str, str] | None = None,
    ) -> Iterator[list[dict[str, Any]]]:
        """Page through a table in order of creation."""
        order = "createdon asc" if key is None else f"createdon asc,{key} asc"
        query = {**(more or {}), "$orderby": order}
        if bounds:
            query["$filter"] = " and ".join(bounds)
        path: str | None = f"{API}/{table}?{httpx.QueryParams(query)}"
        while path is not None:
            answer = self._ask(lambda path=path: self._http.ask("GET", path))  # type: ignore[misc]
            yield values_of(answer)
            path = answer.get("@odata.nextLink")
            if path is not None and not path.startswith(self._http.url + "/"):
                raise Unsure("a next page on another host")


def _bounds(since: int | None, as_of: int | None, stamp: str = "modifiedon") -> list[str]:
    clauses = [f"{stamp} ge {_odata(since // SECOND * SECOND)}"] if since is not None else []
    return clauses + ([f"createdon lt {_odata(as_of)}"] if as_of is not None else [])


def _odata(micros: int) -> str:
    return to_iso(micros).replace("+00:00", "Z")


def _plain_value(name: str, value: Any) -> Value:
    """Return a column's value; states by name."""
    return _STATES.get(value, str(value)) if name == "statecode" and value is not None else value


def _before(at: Value, as_of: int | None) -> bool:
    return as_of is None or moment(at) < as_of


def _opportunity(row: Mapping[str, Any]) -> dict[str, Value]:
    at, changed = (moment(time_of(row[name])) for name in ("createdon", "modifiedon"))
    lead = str(row["_originatingleadid_value"])
    kind = "opportunity_created"
    return event(
        f"opportunity-{row['opportunityid']}", lead, kind, at, recorded=at, changed=changed
    )


def _activity(row: Mapping[str, Any]) -> dict[str, Value] | None:
    """Make an event of a completed activity; None where it regards no lead."""
    lead = (row.get("regardingobjectid_lead") or {}).get("leadid") or (
        row.get("regardingobjectid_opportunity") or {}
    ).get("_originatingleadid_value")
    if lead is None:
        return None
    created = moment(time_of(row["createdon"]))
    done = time_of(row.get("actualend") or row.get("actualstart"))
    at = done if isinstance(done, int) else created
    return event(
        f"activity-{row['activityid']}",
        str(lead),
        word(row["activitytypecode"]),
        at,
        recorded=max(at, created),
        changed=moment(time_of(row["modifiedon"])),
    )


def _stage(row: Mapping[str, Value]) -> dict[str, Value]:
    at, kind = moment(row["changed_at"]), f"state_{word(row['new'])}"
    return event(
        f"stage-{row['change_id']}", str(row["lead_id"]), kind, at, recorded=at, changed=at
    )


def _deleted(row: Mapping[str, Any]) -> dict[str, Value]:
    at, lead = moment(time_of(row["createdon"])), str(row["_objectid_value"])
    return event(f"deleted-{lead}", lead, "deleted", at, recorded=at, changed=at)
