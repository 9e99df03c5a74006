"""HubSpot's object batch API: read and update by id. Contract-tested, not tested live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import httpx

from serving.crm.http import Http, results
from serving.crm.score_columns import decode, in_text, matched
from serving.crm.seam import Answer, Remote, Update, Value

_GONE: Final = ("OBJECT_NOT_FOUND", "NOT_FOUND")


class HubSpotCrm:
    """Scores are properties of contacts (or of `entity`); 100 inputs a request, 200 or 207."""

    name = "hubspot"
    batch_limit = 100
    conditional = False
    metered = True
    inserts = False

    def __init__(
        self,
        url: str,
        allow: Sequence[str],
        token: str,
        *,
        entity: str = "contacts",
        key: str = "id",
        fields: Mapping[str, str] | None = None,
        override: str | None = None,
        closed: Mapping[str, Sequence[str]] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._path = f"/crm/v3/objects/{entity}"
        self._key, self._fields, self._override = key, matched(fields), override
        self._closed = closed or {"lifecyclestage": ("opportunity", "customer")}
        headers = {"Authorization": f"Bearer {token}"}
        self.http = Http(url, allow, login=lambda _: headers, transport=transport)

    def read_scores(self, leads: Sequence[str]) -> dict[str, Remote]:
        """Read our properties; a merged contact answers by another id and counts as gone."""
        names = [*self._fields.values(), *self._closed]
        names += [self._override] if self._override else []
        body: dict[str, Any] = {"properties": names, "inputs": [{"id": lead} for lead in leads]}
        body["propertiesWithHistory"] = []
        if self._key != "id":
            body["idProperty"], body["properties"] = self._key, [*names, self._key]
        wanted, found = set(leads), {}
        for each in results(self.http.post(f"{self._path}/batch/read", body)):
            lead = self._lead(each)
            if lead in wanted and not each.get("archived"):
                found[lead] = self._remote(each)
        return found

    def upsert(self, batch: Sequence[Update]) -> list[Answer]:
        """Update properties; rows with errors are told by id, the others by their new values."""
        inputs = [self._input(each) for each in batch]
        body = self.http.post(f"{self._path}/batch/update", {"inputs": inputs})
        answers = [
            Answer(
                self._lead(each), "written", each.get("updatedAt"), echo=self._remote(each).values
            )
            for each in results(body)
        ]
        for error in body.get("errors") or []:
            status = "gone" if error.get("category") in _GONE else "rejected"
            told = f"{error.get('category', '')}: {error.get('message', '')}"[:200]
            leads = (error.get("context") or {}).get("ids") or []
            answers += [Answer(str(lead), status, error=told) for lead in leads]  # type: ignore[arg-type]
        return answers

    @property
    def ours(self) -> frozenset[str]:
        """Name the fields that hold scores, as the CRM calls them."""
        return frozenset([*self._fields.values(), *([self._override] if self._override else [])])

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    def _input(self, update: Update) -> dict[str, Any]:
        texts = in_text(update.values, self._fields)
        properties = {name: "" if text is None else str(text) for name, text in texts.items()}
        found: dict[str, Any] = {"id": update.lead, "properties": properties}
        return found if self._key == "id" else {**found, "idProperty": self._key}

    def _lead(self, row: Mapping[str, Any]) -> str:
        return str(row["id"] if self._key == "id" else (row.get("properties") or {}).get(self._key))

    def _remote(self, row: Mapping[str, Any]) -> Remote:
        there = row.get("properties") or {}
        values: dict[str, Value] = {
            mine: decode(mine, there.get(theirs) or None) for mine, theirs in self._fields.items()
        }
        closed = any(there.get(name) in words for name, words in self._closed.items())
        override = bool(self._override and there.get(self._override))
        return Remote(values, row.get("updatedAt"), override=override, closed=closed)
