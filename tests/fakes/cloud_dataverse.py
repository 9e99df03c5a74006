"""Dataverse's Web API: leads, opportunities, activitypointers, audits and their details.

Source: Web API reference 9.2 (EntityTypes of the four tables, RetrieveAuditDetails), "Query data",
"Retrieve the history of audited data changes".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import itemgetter
from typing import Any
from urllib.parse import urlencode

from tests.fakes.cloud_server import Cloud, RefusedError, Request

BASE = "/api/data/v9.2"
_CLAUSE = re.compile(
    r"(?P<name>\w+) (?P<sign>ge|lt|eq|ne) (?P<value>null|'\w+'|-?\d+|\d{4}-\d\d-\d\dT[\d:.]+Z)"
)
_OF = {
    "leads": "leadid",
    "opportunities": "opportunityid",
    "activitypointers": "activityid",
    "audits": "auditid",
}
Keep = Callable[[dict[str, Any]], bool]


class Dataverse(Cloud):
    audited = True

    def answer(self, request: Request) -> object:
        name = request.path.removeprefix(f"{BASE}/")
        if name.split("(")[0] in self.denied:
            raise RefusedError(403, {"error": {"code": "0x80040220", "message": name}})
        if name == "organizations":
            return {"value": [{"isauditenabled": self.audited}]}
        if name == "EntityDefinitions(LogicalName='lead')":
            return {"IsAuditEnabled": {"Value": self.audited, "CanBeChanged": True}}
        detail = re.fullmatch(
            r"audits\((.+)\)/Microsoft\.Dynamics\.CRM\.RetrieveAuditDetails", name
        )
        if detail:
            row = next(each for each in self.tables["audits"] if each["auditid"] == detail[1])
            return {"AuditDetail": {"OldValue": row["old"], "NewValue": row["new"]}}
        if name not in _OF:
            raise RefusedError(404, {"error": {"code": "0x8006088a", "message": name}})
        return self._page(name, request.query)

    def _page(self, name: str, query: dict[str, str]) -> object:
        if not set(query) <= {"$select", "$filter", "$orderby", "$expand", "$skiptoken"}:
            raise RefusedError(400, {"error": {"message": "option"}})
        keep = _filter(query.get("$filter", ""))
        rows = [row for row in self.tables.get(name, []) if keep(row)]
        for part in reversed(query.get("$orderby", _OF[name]).split(",")):
            rows = sorted(rows, key=itemgetter(part.split()[0]))
        start = int(query.get("$skiptoken", 0))
        shown = [_shown(row, query) for row in rows[start : start + self.page]]
        if start + self.page >= len(rows):
            return {"value": shown}
        more = urlencode({**query, "$skiptoken": start + self.page})
        return {"value": shown, "@odata.nextLink": f"{self.url}{BASE}/{name}?{more}"}


def _shown(row: dict[str, Any], query: dict[str, str]) -> dict[str, Any]:
    hidden = {"regardingobjectid_lead", "regardingobjectid_opportunity", "old", "new"}
    shown = {name: value for name, value in row.items() if name not in hidden}
    if "$select" in query:
        shown = {name: row.get(name) for name in query["$select"].split(",")}
    for name in re.findall(r"(\w+)\(\$select=\w+\)", query.get("$expand", "")):
        shown[name] = row.get(name)
    return shown


def _filter(text: str) -> Keep:
    """Understand clauses joined by `and`; in brackets, by `or`."""
    keeps: list[Keep] = []
    for part in re.split(r" and (?![^(]*\))", text) if text else []:
        either = [_clause(each) for each in part.strip("()").split(" or ")]
        keeps.append(lambda row, either=either: any(each(row) for each in either))  # type: ignore[misc]
    return lambda row: all(keep(row) for keep in keeps)


def _clause(text: str) -> Keep:
    found = _CLAUSE.fullmatch(text)
    if found is None:
        raise RefusedError(400, {"error": {"code": "0x80060888", "message": text}})
    name, sign, value = found["name"], found["sign"], found["value"]
    if value == "null":
        return lambda row: (row.get(name) is None) == (sign == "eq")
    bound: Any = (
        value.strip("'").removesuffix("Z") if not value.lstrip("-").isdigit() else int(value)
    )

    def keep(row: dict[str, Any]) -> bool:
        there = row.get(name)
        there = there.removesuffix("Z") if isinstance(there, str) else there
        if there is None:
            return False
        return {
            "ge": there >= bound,
            "lt": there < bound,
            "eq": there == bound,
            "ne": there != bound,
        }[sign]

    return keep
