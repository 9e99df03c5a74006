"""Tryton over its JSON-RPC: scores out, one transaction a batch.

Tested against a real Tryton 8.2. A batch is one transaction; `_timestamp` binds each row to what
was read (optimistic lock); `_datetime` reads rows as they were (its history tables).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Final

import httpx

from serving.crm.http import Http, parse
from serving.crm.interface import (
    FIELDS,
    Busy,
    Denied,
    Refused,
    Remote,
    Unsure,
    Update,
    Value,
    WriteAnswer,
)
from serving.crm.score_columns import TIMES, decode, from_micros, is_set

MODEL: Final = "sale.opportunity"
NOTE: Final = "leadscore: "
"""How the note begins that leadscore keeps on a lead; it is none of the notes of people."""
_OPEN: Final = "lead"


class TrytonCrm:
    """Leads are `sale.opportunity` rows in state "lead"; in other states they count as closed."""

    name = "tryton"
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
        key: str = "id",
        fields: Mapping[str, str] | None = None,
        override: str | None = None,
        timeout_s: float = 60.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._credentials, self._key = credentials, key
        self._fields = dict(fields or {name: f"leadscore_{name}" for name in FIELDS})
        self._override = override or "leadscore_override"
        self._http = Http(url, allow, login=self._login, timeout_s=timeout_s, transport=transport)
        self._ids: dict[str, int] = {}
        self.url = self._http.url

    def _login(self, http: Http) -> Mapping[str, str]:
        user, password = self._credentials
        body = {"id": 0, "method": "common.db.login", "params": [user, {"password": password}]}
        number, session = parse(http.raw("POST", "/rpc/", body, {}))["result"][:2]
        token = base64.b64encode(f"{user}:{number}:{session}".encode()).decode()
        return {"Authorization": f"Session {token}"}

    # -- scores ----------------------------------------------------------------------------

    def read_scores(self, leads: Sequence[str]) -> dict[str, Remote]:
        """Read our fields, the override, the state and the time stamp of these leads."""
        names = ["id", self._key, "state", self._override, "_timestamp", *self._fields.values()]
        wanted: list[Any] = list(leads)
        if self._key == "id":
            wanted = [int(lead) for lead in leads if lead.isascii() and lead.isdigit()]
        domain = [[self._key, "in", wanted]]
        rows = self.rpc(f"model.{MODEL}.search_read", domain, 0, None, None, sorted({*names}))
        remotes: dict[str, Remote] = {}
        for row in rows:
            lead = str(row[self._key])
            self._ids[lead] = row["id"]
            values = {field: decode(field, row[name]) for field, name in self._fields.items()}
            remotes[lead] = Remote(
                values,
                str(row["_timestamp"]),
                override=is_set(row[self._override]),
                closed=row["state"] != _OPEN,
            )
        return remotes

    def upsert(self, batch: Sequence[Update]) -> list[WriteAnswer]:
        """Write all in one transaction; where one changed meanwhile, none is written.

        The note goes first: whoever finds the score in its field finds its note.
        """
        self._keep_notes(batch)
        arguments: list[Any] = []
        stamps: dict[str, str | None] = {}
        for each in batch:
            number = self._ids[each.lead]
            arguments += [[number], self._outgoing(each.values)]
            stamps[f"{MODEL},{number}"] = each.version
        try:
            self.rpc(f"model.{MODEL}.write", *arguments, context={"_timestamp": stamps})
        except _MovedError as error:
            return [WriteAnswer(each.lead, "conflict", error=str(error)) for each in batch]
        return [WriteAnswer(each.lead, "written") for each in batch]

    def _outgoing(self, values: Mapping[str, Value]) -> dict[str, Any]:
        outgoing: dict[str, Any] = {}
        for field, name in self._fields.items():
            value = values.get(field)
            is_time = field in TIMES and isinstance(value, int)
            outgoing[name] = as_datetime(value) if is_time else value  # type: ignore[arg-type]
        return outgoing

    def _keep_notes(self, batch: Sequence[Update]) -> None:
        """Keep one note a lead with its score and reasons; none where there is no score."""
        lead_of = {f"{MODEL},{self._ids[each.lead]}": each for each in batch}
        domain = [["resource", "in", list(lead_of)], ["message", "like", f"{NOTE}%"]]
        names = ["id", "resource", "message"]
        old: dict[str, tuple[int, str]] = {}
        surplus: list[int] = []
        for row in self.rpc("model.ir.note.search_read", domain, 0, None, None, names):
            resource = str(row["resource"])
            if resource in old or note_of(lead_of[resource].values) is None:
                surplus.append(row["id"])
            else:
                old[resource] = (row["id"], row["message"])
        new: list[dict[str, str]] = []
        for resource, each in lead_of.items():
            message = note_of(each.values)
            number, present = old.get(resource, (None, None))
            if message is None or message == present:
                continue
            if number is not None:
                surplus.append(number)  # Tryton forbids to change a note: another takes its place
            new.append({"resource": resource, "message": message})
        if surplus:
            self.rpc("model.ir.note.delete", surplus)
        if new:
            self.rpc("model.ir.note.create", new)

    # -- requests --------------------------------------------------------------------------

    def rpc(self, method: str, *params: Any, context: Mapping[str, Any] | None = None) -> Any:
        """Call one method; Tryton's errors become what they mean for a batch."""
        body = {"id": 1, "method": method, "params": [*params, dict(context or {})]}
        answer = self._http.post("/rpc/", body)
        if not isinstance(answer, dict) or not {"result", "error"} & answer.keys():
            raise Unsure("an answer that is neither result nor error")
        if answer.get("error") is not None:
            raise _failure(answer["error"])
        return answer["result"]

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def note_of(values: Mapping[str, Value]) -> str | None:
    r"""Write the note of a lead: its score on the first line, a reason on each of the others.

    >>> note_of({"score": 73, "band": "A", "reasons": "+12 Asked for a demo; −3 No budget yet"})
    'leadscore: 73 (A)\n+12 Asked for a demo\n−3 No budget yet'
    """
    if values.get("score") is None:
        return None
    band = f" ({values['band']})" if values.get("band") else ""
    reasons = str(values.get("reasons") or "").replace("; ", "\n")
    return f"{NOTE}{values['score']}{band}\n{reasons}".rstrip()


class _MovedError(Exception):
    """A row changed between read and write."""


def _failure(error: Sequence[Any]) -> Exception:
    """Tell what Tryton's error means: changed meanwhile, a lock, a login, or an invalid row."""
    kind = str(error[0]) if error else "unknown"
    text = " ".join(str(part) for part in (error[1] if len(error) > 1 else []) or [])[:200]
    if kind == "ConcurrencyException":
        return _MovedError("modified in the meanwhile")
    if kind == "LoginException":
        return Denied("login")
    if kind in ("UserError", "UserWarning"):
        return Refused(text if not isinstance(error[1], str) else error[1][:200])
    if "locked" in kind:
        return Busy(kind[:200])
    return Refused(kind[:200])


def as_datetime(micros: int) -> dict[str, Any]:
    """Write microseconds UTC as Tryton sends moments."""
    at = from_micros(micros)
    names = ("year", "month", "day", "hour", "minute", "second", "microsecond")
    return {"__class__": "datetime", **{name: getattr(at, name) for name in names}}
