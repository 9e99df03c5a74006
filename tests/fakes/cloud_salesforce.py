"""Salesforce's query and queryAll, describe, for leads and what belongs to them.

Source: SOQL and SOAP reference (Lead, LeadHistory, Task, Event), REST API guide (Query, QueryAll,
sObject Describe). Only the SOQL that documents allow for these fields is understood.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tests.fakes.cloud_server import Cloud, RefusedError, Request

BASE = "/services/data/v62.0"
FIELDS = {
    "Lead": "Id Name Company Title Email Status LeadSource Industry Rating Country OwnerId"
    " NumberOfEmployees AnnualRevenue CreatedDate SystemModstamp IsDeleted MasterRecordId"
    " IsConverted ConvertedDate ConvertedContactId ConvertedOpportunityId Budget__c score__c",
    "LeadHistory": "Id IsDeleted LeadId Field DataType OldValue NewValue CreatedDate",
    "Task": "Id WhoId ActivityDate CreatedDate CompletedDateTime SystemModstamp TaskSubtype"
    " CallType IsClosed IsDeleted IsArchived",
    "Event": "Id WhoId ActivityDate ActivityDateTime CreatedDate SystemModstamp EventSubtype"
    " IsDeleted IsArchived",
}
_QUERY = re.compile(
    r"SELECT (?P<fields>.+?) FROM (?P<table>\w+)"
    r"(?: WHERE (?P<where>.+?))?(?: ORDER BY (?P<order>.+))?"
)
_STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
_NOT_FILTERED = ("OldValue", "NewValue")  # of anyType: no document lets them be filtered
Keep = Callable[[dict[str, Any]], bool]


class Salesforce(Cloud):
    def answer(self, request: Request) -> object:
        if request.path == f"{BASE}/sobjects/Lead/describe":
            names = FIELDS["Lead"].split()
            return {"fields": [{"name": name, "type": "string"} for name in names]}
        if request.path in (f"{BASE}/query", f"{BASE}/queryAll"):
            rows = self._select(request.query["q"], everything=request.path.endswith("All"))
            return self._page(rows, 0)
        number, _, start = request.path.removeprefix(f"{BASE}/query/").partition("-")
        return self._page(self._cursors[int(number)], int(start), int(number))

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._cursors: list[list[dict[str, Any]]] = []

    def _page(self, rows: list[dict[str, Any]], start: int, number: int | None = None) -> object:
        """Give a page of a cursor, which holds what it held when it was made."""
        if number is None:
            number = len(self._cursors)
            self._cursors.append(rows)
        end = start + self.page
        done = end >= len(rows)
        more = {} if done else {"nextRecordsUrl": f"{BASE}/query/{number}-{end}"}
        return {"totalSize": len(rows), "done": done, "records": rows[start:end], **more}

    def _select(self, query: str, *, everything: bool) -> list[dict[str, Any]]:
        parsed = _QUERY.fullmatch(query)
        if len(query) > 12_000 or parsed is None:
            raise RefusedError(400, [{"errorCode": "MALFORMED_QUERY", "message": query[:80]}])
        table = parsed["table"]
        if table not in FIELDS or table in self.denied:
            raise RefusedError(400, [{"errorCode": "INVALID_TYPE", "message": table}])
        fields = parsed["fields"].split(", ")
        keeps = [
            self._condition(table, each) for each in (parsed["where"] or "").split(" AND ") if each
        ]
        for name in [*fields, *(part.split()[0] for part in (parsed["order"] or "Id").split(", "))]:
            self._known(table, name)
        rows = [row for row in self.tables.get(table, []) if all(keep(row) for keep in keeps)]
        if not everything:
            rows = [row for row in rows if not row.get("IsDeleted") and not row.get("IsArchived")]
        for name in reversed((parsed["order"] or "Id").split(", ")):
            rows = sorted(rows, key=lambda row, name=name: row.get(name) or "")  # type: ignore[misc]
        return [{name: row.get(name) for name in fields} for row in rows]

    def _known(self, table: str, name: str) -> None:
        if name not in FIELDS[table].split():
            raise RefusedError(400, [{"errorCode": "INVALID_FIELD", "message": f"{table}.{name}"}])

    def _condition(self, table: str, text: str) -> Keep:
        if found := re.fullmatch(r"Who\.Type IN \((.+)\)", text):
            kinds = {"'Lead'": "00Q", "'Contact'": "003"}
            begins = tuple(kinds[each] for each in found[1].split(", "))
            return lambda row: str(row.get("WhoId") or "").startswith(begins)
        found = re.fullmatch(r"(\w+) (>=|<|=|!=|IN) (.+)", text)
        if found is None or found[1] in _NOT_FILTERED:
            raise RefusedError(400, [{"errorCode": "MALFORMED_QUERY", "message": text}])
        name, sign, value = found.groups()
        self._known(table, name)
        if sign in (">=", "<"):
            if not re.fullmatch(_STAMP, value):
                raise RefusedError(
                    400, [{"errorCode": "INVALID_QUERY_FILTER_OPERATOR", "message": text}]
                )
            bound = value.removesuffix("Z")
            later = sign == ">="
            return lambda row: (str(row[name])[:19] >= bound) == later
        if sign == "IN":
            listed = set(re.findall(r"'(\w+)'", value))
            return lambda row: row.get(name) in listed
        if sign == "!=":
            return lambda row: row.get(name) is not None
        wanted = {"true": True, "false": False}.get(value, value.strip("'"))
        return lambda row: row.get(name, False) == wanted
