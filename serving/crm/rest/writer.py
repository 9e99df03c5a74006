"""Scores over a small JSON protocol, for CRMs behind a bridge of the company's own.

POST /leads/read   {"ids": […]}            -> {"results": [{"id", "version", "values", "override",
                                               "closed", "merged_into"}]}
POST /leads/write  {"leads": [{"id", "version", "values"}]}
                                           -> {"results": [{"id", "status", "version", "values",
                                               "error"}]}, in any order
POST /login        {"user", "password"}    -> {"token"}
A write whose `version` is not the lead's answers "conflict" and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import httpx

from serving.crm.http import Http, parse, results
from serving.crm.interface import Remote, Update, Value, WriteAnswer
from serving.crm.score_columns import checked_fields, incoming

_STATUS: Final = ("written", "rejected", "conflict", "gone")


class RestCrm:
    """The connector of that protocol; every write is bound to the version that was read."""

    name = "rest"
    batch_limit = 200
    conditional = True
    metered = True
    inserts = False

    def __init__(
        self,
        url: str,
        allow: Sequence[str],
        credentials: tuple[str, str],
        *,
        fields: Mapping[str, str] | None = None,
        timeout_s: float = 10.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._credentials, self._fields = credentials, checked_fields(fields)
        self._http = Http(url, allow, login=self._login, timeout_s=timeout_s, transport=transport)

    def _login(self, http: Http) -> Mapping[str, str]:
        user, password = self._credentials
        body = {"user": user, "password": password}
        token = parse(http.raw("POST", "/login", body, {}))["token"]
        return {"Authorization": f"Bearer {token}"}

    def read_scores(self, leads: Sequence[str]) -> dict[str, Remote]:
        """Read our fields of these leads; rows that were not asked for are ignored."""
        wanted, remotes = set(leads), {}
        for each in results(self._http.post("/leads/read", {"ids": list(leads)})):
            if each.get("id") in wanted:
                remotes[str(each["id"])] = Remote(
                    incoming(each.get("values") or {}, self._fields),
                    None if each.get("version") is None else str(each["version"]),
                    override=bool(each.get("override")),
                    closed=bool(each.get("closed")),
                    id=each.get("merged_into"),
                )
        return remotes

    def upsert(self, batch: Sequence[Update]) -> list[WriteAnswer]:
        """Write absolute values, each bound to the version that was read."""
        leads = [
            {"id": each.lead, "version": each.version, "values": self._renamed(each.values)}
            for each in batch
        ]
        return [
            WriteAnswer(
                str(each["id"]),
                each["status"],
                version=None if each.get("version") is None else str(each["version"]),
                error=str(each.get("error") or ""),
                echo=incoming(each["values"], self._fields)
                if isinstance(each.get("values"), dict)
                else None,
            )
            for each in results(self._http.post("/leads/write", {"leads": leads}))
            if each.get("status") in _STATUS
        ]

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _renamed(self, values: Mapping[str, Value]) -> dict[str, Value]:
        return {name: values.get(field) for field, name in self._fields.items()}
