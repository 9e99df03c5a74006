"""HubSpot's search, batch read, associations and properties, with their limits.

Source: HubSpot's OpenAPI of contacts (search, batch/read, list), guides "CRM search" (200 a page,
10,000 in all), "Associations v4" (batch/read, 1,000 inputs), "Properties".
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.fakes.cloud_server import Cloud, RefusedError, Request

_OBJECTS = ("contacts", "calls", "emails", "meetings", "notes", "tasks")
_SEARCHED = 10_000
_KEYS = {"filterGroups", "properties", "sorts", "limit", "after"}


def millis(text: str) -> int:
    """Read a time as HubSpot filters by it."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


class HubSpot(Cloud):
    """Rows: {"id", "properties", "history": {name: [(value, time), …]}, "contacts": [ids]}."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._by_id: dict[str, dict[str, dict[str, Any]]] = {}

    def answer(self, request: Request) -> object:
        parts = request.path.strip("/").split("/")
        if parts[:3] == ["crm", "v3", "properties"]:
            own = [
                {"name": name, "hubspotDefined": False}
                for name in ("plan_size", "score", "source", "at")
            ]
            return {"results": [*own, {"name": "email", "hubspotDefined": True}]}
        kind = parts[3]
        if kind in self.denied:
            raise RefusedError(403, {"category": "MISSING_SCOPES", "message": kind})
        if parts[:3] == ["crm", "v4", "associations"]:
            return self._associations(kind, request.body)
        if parts[:3] != ["crm", "v3", "objects"] or kind not in _OBJECTS:
            raise RefusedError(404, {"message": request.path})
        if parts[4:] == ["search"]:
            return self._search(kind, request.body)
        if parts[4:] == ["batch", "read"]:
            return self._batch(kind, request.body)
        if request.method == "GET" and request.query.get("archived") == "true":
            gone = [row for row in self.tables.get(kind, []) if row.get("archivedAt")]
            return self._paged(gone, request.query, 100, [])
        raise RefusedError(404, {"message": request.path})

    def _search(self, kind: str, body: dict[str, Any]) -> object:
        if set(body) != _KEYS or body["limit"] > 200 or len(body["filterGroups"]) > 5:
            raise RefusedError(400, {"category": "VALIDATION_ERROR", "message": "body"})
        if int(body["after"]) + body["limit"] > _SEARCHED:
            raise RefusedError(400, {"category": "VALIDATION_ERROR", "message": "beyond 10,000"})
        rows = [row for row in self.tables.get(kind, []) if not row.get("archivedAt")]
        for group in body["filterGroups"]:
            for each in group["filters"]:
                rows = [row for row in rows if _passes(row, each)]
        if body["sorts"] != ["hs_object_id"]:
            raise RefusedError(400, {"category": "VALIDATION_ERROR", "message": "sorts"})
        rows = sorted(rows, key=lambda row: int(row["id"]))
        found = self._paged(rows, body, min(body["limit"], self.page), body["properties"])
        return {"total": len(rows), **found}

    def _batch(self, kind: str, body: dict[str, Any]) -> object:
        replayed = body["propertiesWithHistory"]
        if len(body["inputs"]) > (50 if replayed else 100):
            raise RefusedError(400, {"category": "VALIDATION_ERROR", "message": "too many inputs"})
        if kind not in self._by_id:
            self._by_id[kind] = {row["id"]: row for row in self.tables[kind]}
        asked = [self._by_id[kind].get(each["id"], {}) for each in body["inputs"]]
        rows = [row for row in asked if row and not row.get("archivedAt")]
        found = []
        for row in reversed(rows):  # in no order that was promised
            history = {
                name: [
                    {"value": value, "timestamp": at, "sourceType": "CRM_UI"}
                    for value, at in reversed(row.get("history", {}).get(name, []))
                ]
                for name in replayed
            }
            found.append({**self._shown(row, body["properties"]), "propertiesWithHistory": history})
        return {"status": "COMPLETE", "results": found}

    def _associations(self, kind: str, body: dict[str, Any]) -> object:
        if len(body["inputs"]) > 1000:
            raise RefusedError(400, {"category": "VALIDATION_ERROR", "message": "too many inputs"})
        asked = {each["id"] for each in body["inputs"]}
        return {
            "results": [
                {
                    "from": {"id": row["id"]},
                    "to": [{"toObjectId": int(one)} for one in row["contacts"]],
                }
                for row in self.tables[kind]
                if row["id"] in asked and row["contacts"]
            ]
        }

    def _paged(
        self, rows: list[Any], asked: dict[str, Any], size: int, properties: list[str]
    ) -> dict[str, Any]:
        start = int(asked.get("after") or 0)
        more = (
            {"paging": {"next": {"after": str(start + size)}}} if start + size < len(rows) else {}
        )
        shown = [self._shown(row, properties) for row in rows[start : start + size]]
        return {"results": shown, **more}

    def _shown(self, row: dict[str, Any], properties: list[str]) -> dict[str, Any]:
        there = row["properties"]
        stamp = there.get("lastmodifieddate") or there.get("hs_lastmodifieddate")
        shown = {
            "id": row["id"],
            "properties": {name: there.get(name) for name in properties},
            "createdAt": there.get("createdate") or there.get("hs_createdate"),
            "updatedAt": stamp,
            "archived": "archivedAt" in row,
        }
        return {**shown, "archivedAt": row["archivedAt"]} if "archivedAt" in row else shown


def _passes(row: dict[str, Any], each: dict[str, str]) -> bool:
    if each["propertyName"] == "hs_object_id":
        there, bound = int(row["id"]), int(each["value"])
    else:
        there, bound = millis(row["properties"][each["propertyName"]]), int(each["value"])
    return {"GT": there > bound, "GTE": there >= bound, "LT": there < bound}[each["operator"]]
