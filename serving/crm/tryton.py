"""Tryton, read and written over its JSON-RPC: leads, notes and their history in; scores out.

Tested against a real Tryton 8.2. A batch is one transaction; `_timestamp` binds each row to what
was read (optimistic lock); `_datetime` reads rows as they were (its history tables).
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx

from serving.crm.columns import TIMES, decode, from_micros, to_micros
from serving.crm.http import Http, parse
from serving.crm.seam import (
    FIELDS,
    Answer,
    Busy,
    Denied,
    Page,
    Refused,
    Remote,
    Unsure,
    Update,
    Value,
)

_MODEL: Final = "sale.opportunity"
_OPEN: Final = "lead"
_PAGE: Final = 1000
_OVERLAP: Final = timedelta(minutes=5)
"""A row may be committed after a later one was read: each read looks back this far."""
_LEAD_FIELDS: Final = (
    "number", "reference", "party", "party.name", "state", "start_date", "end_date", "amount",
    "description", "employee", "create_date", "write_date",
)  # fmt: skip


class TrytonCrm:
    """Leads are `sale.opportunity` rows in state "lead"; other states are closed for us."""

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
        wanted: list[Any] = (
            [int(lead) for lead in leads if lead.isdigit()] if self._key == "id" else list(leads)
        )
        domain = [[self._key, "in", wanted]]
        rows = self.rpc(f"model.{_MODEL}.search_read", domain, 0, None, None, sorted({*names}))
        found: dict[str, Remote] = {}
        for row in rows:
            lead = str(row[self._key])
            self._ids[lead] = row["id"]
            values = {mine: decode(mine, row[theirs]) for mine, theirs in self._fields.items()}
            found[lead] = Remote(
                values,
                str(row["_timestamp"]),
                override=row[self._override] not in (None, ""),
                closed=row["state"] != _OPEN,
            )
        return found

    def upsert(self, batch: Sequence[Update]) -> list[Answer]:
        """Write all in one transaction; where one moved, none is written and all are read again."""
        arguments: list[Any] = []
        stamps: dict[str, str | None] = {}
        for each in batch:
            number = self._ids[each.lead]
            arguments += [[number], self._theirs(each.values)]
            stamps[f"{_MODEL},{number}"] = each.version
        try:
            self.rpc(f"model.{_MODEL}.write", *arguments, context={"_timestamp": stamps})
        except _MovedError as error:
            return [Answer(each.lead, "conflict", error=str(error)) for each in batch]
        return [Answer(each.lead, "written") for each in batch]

    def _theirs(self, values: Mapping[str, Value]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for mine, theirs in self._fields.items():
            value = values.get(mine)
            is_time = mine in TIMES and isinstance(value, int)
            found[theirs] = _datetime(value) if is_time else value  # type: ignore[arg-type]
        return found

    # -- leads and events ------------------------------------------------------------------

    def read_leads(self, since: str | None = None, *, as_of: int | None = None) -> Iterator[Page]:
        """Read leads changed since the watermark, oldest change first; or all as they were."""
        context = {} if as_of is None else {"_datetime": _datetime(as_of - 1)}
        domain = _since(since) if as_of is None else []
        for rows in self._pages(_MODEL, domain, list(_LEAD_FIELDS), context):
            yield _page([_lead(row) for row in rows], "changed_at")

    def read_events(self, since: str | None = None, *, as_of: int | None = None) -> Iterator[Page]:
        """Read notes and changes of state, by when they were recorded: late ones come too."""
        domain: list[Any] = [["resource", "like", f"{_MODEL},%"], *_since(since)]
        if as_of is not None:
            domain.append(["create_date", "<", _datetime(as_of)])
        for rows in self._pages("ir.note", domain, ["resource", "message", "create_date"], {}):
            yield _page([_note(row) for row in rows], "recorded_at")
        yield from self._state_changes(since, as_of)

    def _state_changes(self, since: str | None, as_of: int | None) -> Iterator[Page]:
        """Replay the history tables: at each revision since the watermark, the lead's state."""
        edge = 0 if since is None else int(since) - _OVERLAP // timedelta(microseconds=1)
        for rows in self._pages(_MODEL, _since(since), ["state"], {}):
            revisions = self.rpc(f"model.{_MODEL}.history_revisions", [row["id"] for row in rows])
            moments: dict[int, list[int]] = {}
            earlier: set[int] = set()
            for at, number, _user in revisions:
                micros = to_micros(_moment(at))
                if micros < edge:
                    earlier.add(number)
                elif as_of is None or micros < as_of:
                    moments.setdefault(micros, []).append(number)
            before = self._states(sorted(earlier), edge - 1) if earlier else {}
            events: list[dict[str, Value]] = []
            for at, states in self._replayed(moments):
                for number, state in states.items():
                    if before.get(number) != state:
                        before[number] = state
                        events.append(_state(number, state, at))
            if events:
                yield _page(events, "recorded_at")

    def _replayed(self, moments: Mapping[int, list[int]]) -> Iterator[tuple[int, dict[int, str]]]:
        """Read the states at each moment in turn, in as few requests as intervals allow.

        A revision holds until the next one of its lead, so one look at a moment serves all
        revisions that hold then; always looking where the next one ends needs the fewest looks.
        """
        revisions: dict[int, list[int]] = {}
        for at in sorted(moments):
            for number in moments[at]:
                revisions.setdefault(number, []).append(at)
        spans = sorted(
            (end, start, number)
            for number, starts in revisions.items()
            for start, end in zip(
                starts, [*(at - 1 for at in starts[1:]), max(moments)], strict=True
            )
        )
        looks: dict[int, list[tuple[int, int]]] = {}
        look = -1
        for end, start, number in spans:
            look = look if start <= look else end
            looks.setdefault(look, []).append((start, number))
        found: dict[int, dict[int, str]] = {at: {} for at in sorted(moments)}
        for look, some in looks.items():
            states = self._states(sorted({number for _, number in some}), look)
            for start, number in some:
                if number in states:
                    found[start][number] = states[number]
        yield from found.items()

    def _states(self, numbers: list[int], at: int) -> dict[int, str]:
        """Read which state leads were in at a moment; those that were not there are left out."""
        context = {"_datetime": _datetime(at)}
        names = ["state"]
        domain = [["id", "in", numbers]]
        method = f"model.{_MODEL}.search_read"
        rows = self.rpc(method, domain, 0, None, None, names, context=context)
        return {row["id"]: row["state"] for row in rows}

    def _pages(
        self, model: str, domain: list[Any], names: list[str], context: Mapping[str, Any]
    ) -> Iterator[list[dict[str, Any]]]:
        """Page by id, which no later change can shift."""
        last = 0
        while True:
            rows = self.rpc(
                f"model.{model}.search_read",
                [*domain, ["id", ">", last]],
                0,
                _PAGE,
                [["id", "ASC"]],
                names,
                context=context,
            )
            if not rows:
                return
            yield rows
            last = rows[-1]["id"]

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


class _MovedError(Exception):
    """A row changed between read and write."""


def _failure(error: Sequence[Any]) -> Exception:
    """Tell what Tryton's error means: moved, a lock, a login, or a row that is not valid."""
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


def _since(watermark: str | None) -> list[Any]:
    if watermark is None:
        return []
    edge = _datetime(int(watermark) - _OVERLAP // timedelta(microseconds=1))
    return [["OR", ["write_date", ">=", edge], ["create_date", ">=", edge]]]


def _page(rows: list[dict[str, Value]], clock: str) -> Page:
    moments = [row[clock] for row in rows if isinstance(row[clock], int)]
    return Page(tuple(rows), str(max(moments, key=int)) if moments else None)  # type: ignore[arg-type]


def _lead(row: Mapping[str, Any]) -> dict[str, Value]:
    party = row.get("party.") or {}
    changed = row.get("write_date") or row["create_date"]
    amount = row.get("amount")
    return {
        "lead_id": str(row["id"]),
        "number": row.get("number"),
        "reference": row.get("reference"),
        "company": party.get("name"),
        "account_id": None if row.get("party") is None else str(row["party"]),
        "owner": None if row.get("employee") is None else str(row["employee"]),
        "state": row["state"],
        "description": row.get("description"),
        "amount": None if amount is None else float(amount["decimal"]),
        "created_at": to_micros(_moment(row["create_date"])),
        "changed_at": to_micros(_moment(changed)),
    }


def _note(row: Mapping[str, Any]) -> dict[str, Value]:
    at = to_micros(_moment(row["create_date"]))
    words = (row["message"] or "").split("\n", 1)[0].split(":", 1)
    known = len(words) == 2 and words[0].isidentifier()
    return {
        "event_id": f"note-{row['id']}",
        "lead_id": str(row["resource"]).partition(",")[2],
        "at": at,
        "recorded_at": at,
        "type": words[0] if known else "note",
    }


def _state(number: int, state: str, at: int) -> dict[str, Value]:
    return {
        "event_id": f"state-{number}-{at}",
        "lead_id": str(number),
        "at": at,
        "recorded_at": at,
        "type": f"state_{state}",
    }


def _moment(value: Mapping[str, Any]) -> datetime:
    names = ("year", "month", "day", "hour", "minute", "second", "microsecond")
    return datetime(*(int(value.get(name, 0)) for name in names), tzinfo=UTC)  # type: ignore[misc,arg-type]


def _datetime(micros: int) -> dict[str, Any]:
    at = from_micros(micros)
    names = ("year", "month", "day", "hour", "minute", "second", "microsecond")
    return {"__class__": "datetime", **{name: getattr(at, name) for name in names}}
