"""HubSpot's object batch API: read and update by id. Contract-tested, not tested live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import httpx

from serving.crm.http import Http, results
from serving.crm.interface import Remote, Update, Value, WriteAnswer
from serving.crm.score_columns import checked_fields, decode, is_set, outgoing

_GONE: Final = ("OBJECT_NOT_FOUND", "NOT_FOUND")
_STAGE: Final = "lifecyclestage"


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
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._path = f"/crm/v3/objects/{entity}"
        self._key, self._fields, self._override = key, checked_fields(fields), override
        headers = {"Authorization": f"Bearer {token}"}
        self.http = Http(url, allow, login=lambda _: headers, transport=transport)

    def read_scores(self, leads: Sequence[str]) -> dict[str, Remote]:
        """Read our properties; a merged contact answers by another id and counts as gone."""
        names = [*self._fields.values(), _STAGE]
        names += [self._override] if self._override else []
        body: dict[str, Any] = {"properties": names, "inputs": [{"id": lead} for lead in leads]}
        body["propertiesWithHistory"] = []
        if self._key != "id":
            body["idProperty"], body["properties"] = self._key, [*names, self._key]
        wanted, remotes = set(leads), {}
        for each in results(self.http.post(f"{self._path}/batch/read", body)):
            lead = self._lead(each)
            if lead in wanted and not each.get("archived"):
                remotes[lead] = self._remote(each)
        return remotes

    def upsert(self, batch: Sequence[Update]) -> list[WriteAnswer]:
        """Update properties; failed rows are answered by id, the others by their new values."""
        inputs = [self._input(each) for each in batch]
        body = self.http.post(f"{self._path}/batch/update", {"inputs": inputs})
        answers = [
            WriteAnswer(
                self._lead(each), "written", each.get("updatedAt"), echo=self._remote(each).values
            )
            for each in results(body)
        ]
        for error in body.get("errors") or []:
            status = "gone" if error.get("category") in _GONE else "rejected"
            cause = f"{error.get('category', '')}: {error.get('message', '')}"[:200]
            leads = (error.get("context") or {}).get("ids") or []
            answers += [WriteAnswer(str(lead), status, error=cause) for lead in leads]  # type: ignore[arg-type]
        return answers

    @property
    def score_fields(self) -> frozenset[str]:
        """Name the fields that hold scores, as the CRM calls them."""
        return frozenset([*self._fields.values(), *([self._override] if self._override else [])])

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    def _input(self, update: Update) -> dict[str, Any]:
        texts = outgoing(update.values, self._fields)
        properties = {name: "" if text is None else str(text) for name, text in texts.items()}
        entry: dict[str, Any] = {"id": update.lead, "properties": properties}
        return entry if self._key == "id" else {**entry, "idProperty": self._key}

    def _lead(self, row: Mapping[str, Any]) -> str:
        return str(row["id"] if self._key == "id" else (row.get("properties") or {}).get(self._key))

    def _remote(self, row: Mapping[str, Any]) -> Remote:
        properties = row.get("properties") or {}
        values: dict[str, Value] = {
            field: decode(field, properties.get(name) or None)
            for field, name in self._fields.items()
        }
        closed = properties.get(_STAGE) in ("opportunity", "customer")
        set_by = properties.get(self._override) if self._override else None
        override = is_set(set_by) and set_by not in ("false", "0")  # all its values are texts
        return Remote(values, row.get("updatedAt"), override=override, closed=closed)
