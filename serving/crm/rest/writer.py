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
from typing import Any, Final

import httpx

from serving.crm.http import Http, parse, results
from serving.crm.score_columns import decode, matched
from serving.crm.seam import Answer, Remote, Update, Value

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
        self._credentials, self._fields = credentials, matched(fields)
        self._http = Http(url, allow, login=self._login, timeout_s=timeout_s, transport=transport)

    def _login(self, http: Http) -> Mapping[str, str]:
        user, password = self._credentials
        body = {"user": user, "password": password}
        token = parse(http.raw("POST", "/login", body, {}))["token"]
        return {"Authorization": f"Bearer {token}"}

    def read_scores(self, leads: Sequence[str]) -> dict[str, Remote]:
        """Read our fields of these leads; what nobody asked for is left alone."""
        wanted, found = set(leads), {}
        for each in results(self._http.post("/leads/read", {"ids": list(leads)})):
            if each.get("id") in wanted:
                found[str(each["id"])] = Remote(
                    self._ours(each.get("values") or {}),
                    None if each.get("version") is None else str(each["version"]),
                    override=bool(each.get("override")),
                    closed=bool(each.get("closed")),
                    id=each.get("merged_into"),
                )
        return found

    def upsert(self, batch: Sequence[Update]) -> list[Answer]:
        """Write absolute values, each bound to the version that was read."""
        leads = [
            {"id": each.lead, "version": each.version, "values": self._theirs(each.values)}
            for each in batch
        ]
        return [
            Answer(
                str(each["id"]),
                each["status"],
                version=None if each.get("version") is None else str(each["version"]),
                error=str(each.get("error") or ""),
                echo=self._ours(each["values"]) if isinstance(each.get("values"), dict) else None,
            )
            for each in results(self._http.post("/leads/write", {"leads": leads}))
            if each.get("status") in _STATUS
        ]

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _theirs(self, values: Mapping[str, Value]) -> dict[str, Value]:
        return {theirs: values.get(mine) for mine, theirs in self._fields.items()}

    def _ours(self, row: Mapping[str, Any]) -> dict[str, Value]:
        return {mine: decode(mine, row.get(theirs)) for mine, theirs in self._fields.items()}
