"""Dynamics / Dataverse Web API: UpdateMultiple on leads. Contract-tested, not tested live."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import httpx

from serving.crm.columns import decode, in_text, matched, time_of, to_iso
from serving.crm.http import Http, parse
from serving.crm.seam import Answer, Page, Remote, Unsure, Update, Value

_API: Final = "/api/data/v9.2"
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
        prefix: str = "leadscore_",
        fields: Mapping[str, str] | None = None,
        override: str | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._secret, self._entity, self._override = secret, entity, override
        self._fields = {
            mine: theirs if fields else f"{prefix}{theirs}"
            for mine, theirs in matched(fields).items()
        }
        self._id = f"{entity}id"
        self._allow = allow
        self._http = Http(url, allow, login=self._login, timeout_s=60.0, transport=transport)

    def _login(self, http: Http) -> Mapping[str, str]:
        """Take the token as it is, or get one for `tenant:client id:client secret`."""
        parts = self._secret.split(":", 2)
        if len(parts) != 3:
            return {"Authorization": f"Bearer {self._secret}"}
        from serving.crm.network import allowed

        where = f"https://login.microsoftonline.com/{quote(parts[0], safe='')}/oauth2/v2.0/token"
        form = {
            "grant_type": "client_credentials",
            "client_id": parts[1],
            "client_secret": parts[2],
            "scope": f"{http.url}/.default",
        }
        token = parse(http.raw("POST", allowed(where, self._allow), None, {}, form))["access_token"]
        return {"Authorization": f"Bearer {token}"}

    def read_scores(self, leads: Sequence[str]) -> dict[str, Remote]:
        """Read our columns and the state of leads; an id that is no GUID is nobody's."""
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
        rows = _values(self._http.ask("GET", f"{_API}/{self._entity}s?{query}"))
        return {
            wanted[str(row[self._id]).lower()]: self._remote(row)
            for row in rows
            if str(row.get(self._id)).lower() in wanted
        }

    def upsert(self, batch: Sequence[Update]) -> list[Answer]:
        """Update all in one transaction, or none: a bad row is found by halving."""
        targets = [
            {
                "@odata.type": f"Microsoft.Dynamics.CRM.{self._entity}",
                self._id: each.lead,
                **in_text(each.values, self._fields),
            }
            for each in batch
        ]
        path = f"{_API}/{self._entity}s/Microsoft.Dynamics.CRM.UpdateMultiple"
        self._http.post(path, {"Targets": targets})
        return [Answer(each.lead, "written") for each in batch]

    def read_leads(self, since: str | None = None, *, as_of: int | None = None) -> Iterator[Page]:
        """Read leads by modifiedon; `as_of` filters by creation, values are today's."""
        clauses = [f"modifiedon ge {_odata(int(since) - 300_000_000)}"] if since else []
        clauses += [f"createdon lt {_odata(as_of)}"] if as_of is not None else []
        query = {"$orderby": "modifiedon asc"}
        if clauses:
            query["$filter"] = " and ".join(clauses)
        path: str | None = f"{_API}/{self._entity}s?{httpx.QueryParams(query)}"
        while path is not None:
            answer = self._http.ask("GET", path)
            rows = tuple(self._lead(row) for row in _values(answer))
            last = rows[-1]["changed_at"] if rows else None
            yield Page(rows, str(last) if last is not None else since)
            path = answer.get("@odata.nextLink")
            if path is not None and not path.startswith(self._http.url + "/"):
                raise Unsure("a next page on another host")

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _remote(self, row: Mapping[str, Any]) -> Remote:
        values = {mine: decode(mine, row.get(theirs)) for mine, theirs in self._fields.items()}
        override = bool(self._override and row.get(self._override) not in (None, ""))
        closed = row.get("statecode") not in (0, None)  # 1 qualified, 2 disqualified
        return Remote(values, row.get("@odata.etag"), override, closed=closed)

    def _lead(self, row: Mapping[str, Any]) -> dict[str, Value]:
        return {
            "lead_id": row[self._id],
            "name": row.get("fullname"),
            "company": row.get("companyname"),
            "state": row.get("statecode"),
            "created_at": time_of(row.get("createdon")),
            "changed_at": time_of(row.get("modifiedon")),
        }


def _values(body: Any) -> list[dict[str, Any]]:
    rows = body.get("value") if isinstance(body, dict) else None
    if not isinstance(rows, list):
        raise Unsure("an answer without values")
    return rows


def _odata(micros: int) -> str:
    return to_iso(micros).replace("+00:00", "Z")
