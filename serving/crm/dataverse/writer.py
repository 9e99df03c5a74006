"""Dynamics / Dataverse Web API: UpdateMultiple on leads. Contract-tested, not tested live."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import httpx

from data.network import require_allowed
from serving.crm.http import Http, parse
from serving.crm.interface import Remote, Unsure, Update, WriteAnswer
from serving.crm.score_columns import checked_fields, incoming, is_set, outgoing

API: Final = "/api/data/v9.2"
_GUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class DataverseCrm:
    """Scores are columns of `lead`; a batch is one transaction: all rows or none."""

    name = "dataverse"
    batch_limit = 100
    conditional = False
    metered = True
    inserts = False

    def __init__(
        self,
        url: str,
        allow: Sequence[str],
        secret: str,
        *,
        entity: str = "lead",
        fields: Mapping[str, str] | None = None,
        override: str | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._secret, self._entity, self._override = secret, entity, override
        self._fields = {
            field: name if fields else f"leadscore_{name}"
            for field, name in checked_fields(fields).items()
        }
        self._id = f"{entity}id"
        self._allow = allow
        self.http = Http(url, allow, login=self._login, timeout_s=60.0, transport=transport)

    def _login(self, http: Http) -> Mapping[str, str]:
        """Take the token as it is, or get one for `tenant:client id:client secret`."""
        parts = self._secret.split(":", 2)
        if len(parts) != 3:
            return {"Authorization": f"Bearer {self._secret}"}
        where = f"https://login.microsoftonline.com/{quote(parts[0], safe='')}/oauth2/v2.0/token"
        form = {
            "grant_type": "client_credentials",
            "client_id": parts[1],
            "client_secret": parts[2],
            "scope": f"{http.url}/.default",
        }
        token = parse(http.raw("POST", require_allowed(where, self._allow), None, {}, form))[
            "access_token"
        ]
        return {"Authorization": f"Bearer {token}"}

    def read_scores(self, leads: Sequence[str]) -> dict[str, Remote]:
        """Read our columns and the state of leads; an id that is no GUID is left out."""
        wanted = {lead.lower(): lead for lead in leads if _GUID.fullmatch(lead)}
        if not wanted:
            return {}
        names = [self._id, "statecode", *self._fields.values()]
        names += [self._override] if self._override else []
        listed = ",".join(f"'{lead}'" for lead in wanted)
        query = httpx.QueryParams(
            {
                "$select": ",".join(names),
                "$filter": f"Microsoft.Dynamics.CRM.In(PropertyName='{self._id}',"
                f"PropertyValues=[{listed}])",
            }
        )
        rows = values_of(self.http.ask("GET", f"{API}/{self._entity}s?{query}"))
        return {
            wanted[str(row[self._id]).lower()]: self._remote(row)
            for row in rows
            if str(row.get(self._id)).lower() in wanted
        }

    def upsert(self, batch: Sequence[Update]) -> list[WriteAnswer]:
        """Update all in one transaction, or none: a bad row is found by halving."""
        targets = [
            {
                "@odata.type": f"Microsoft.Dynamics.CRM.{self._entity}",
                self._id: each.lead,
                **outgoing(each.values, self._fields),
            }
            for each in batch
        ]
        path = f"{API}/{self._entity}s/Microsoft.Dynamics.CRM.UpdateMultiple"
        self.http.post(path, {"Targets": targets})
        return [WriteAnswer(each.lead, "written") for each in batch]

    @property
    def score_fields(self) -> frozenset[str]:
        """Name the fields that hold scores, as the CRM calls them."""
        return frozenset([*self._fields.values(), *([self._override] if self._override else [])])

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    def _remote(self, row: Mapping[str, Any]) -> Remote:
        values = incoming(row, self._fields)
        override = bool(self._override and is_set(row.get(self._override)))
        closed = row.get("statecode") not in (0, None)  # 1 qualified, 2 disqualified
        return Remote(values, row.get("@odata.etag"), override, closed=closed)


def values_of(body: Any) -> list[dict[str, Any]]:
    """Find the rows of an answer; anything else cannot be trusted."""
    rows = body.get("value") if isinstance(body, dict) else None
    if not isinstance(rows, list):
        raise Unsure("an answer without values")
    return rows
