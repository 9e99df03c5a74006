"""Tryton's opportunities, notes and history tables, read over its JSON-RPC. Tested against 8.2.

Pages go by id, which no later change can shift. What a lead was at a moment comes from Tryton's own
history (context `_datetime`), so a past moment is read as it really was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from serving.crm.crm_rows import Page, Since, change, event, moment, text
from serving.crm.interface import Value
from serving.crm.retries import RetryingCall
from serving.crm.score_columns import time_of
from serving.crm.tryton.writer import MODEL, NOTE, TrytonCrm, as_datetime

_PAGE: Final = 1000
_LEAD_FIELDS: Final = (
    "number",
    "reference",
    "party",
    "party.name",
    "state",
    "amount",
    "description",
    "employee",
    "create_date",
    "write_date",
)
_REPLAYED: Final = {
    "state": "state",
    "employee": "owner",
    "party": "account_id",
    "amount": "amount",
    "description": "description",
    "reference": "reference",
}
"""Fields whose history is read -> our names, as in `leads`."""


class TrytonReader:
    """Reads all opportunities, whatever their state: a lead that was won or lost is history."""

    def __init__(self, crm: TrytonCrm, ask: RetryingCall) -> None:
        self._crm, self._ask = crm, ask
        self.origin = f"tryton {crm.url}"
        self.gaps: dict[str, str] = {}

    def read(self, since: Since, *, as_of: int | None = None) -> Iterator[Page]:
        """Read leads as they are, or were at `as_of`; then notes, then the history tables."""
        context = {} if as_of is None else {"_datetime": as_datetime(as_of - 1)}
        for rows in self._pages(MODEL, _changed(since), list(_LEAD_FIELDS), context):
            yield Page("leads", tuple(_lead(row) for row in rows))
        notes: list[Any] = [["resource", "like", f"{MODEL},%"], *_changed(since)]
        notes.append(["message", "not like", f"{NOTE}%"])  # our own is no act of anybody
        if as_of is not None:
            notes.append(["create_date", "<", as_datetime(as_of)])
        names = ["resource", "message", "create_date", "write_date"]
        for rows in self._pages("ir.note", notes, names, {}):
            yield Page("events", tuple(_note(row) for row in rows))
        for rows in self._pages(MODEL, _changed(since), ["id"], {}):
            yield from self._history([row["id"] for row in rows], since, as_of)

    def _history(self, leads: list[int], since: Since, as_of: int | None) -> Iterator[Page]:
        """Replay the history of some leads: what changed at each revision since the watermark."""
        edge = since.until or 0
        revisions = self._rpc(f"model.{MODEL}.history_revisions", leads)
        moments: dict[int, list[int]] = {}
        earlier: set[int] = set()
        for revised_at, number, _user in revisions:
            at = moment(time_of(revised_at))
            if at < edge:
                earlier.add(number)
            elif as_of is None or at < as_of:
                moments.setdefault(at, []).append(number)
        before = self._values(sorted(earlier), edge - 1) if earlier else {}
        events: list[dict[str, Value]] = []
        changes: list[dict[str, Value]] = []
        for at, rows in self._replayed(moments):
            for number, row in rows.items():
                was = before.get(number)
                if was is None or was["state"] != row["state"]:
                    events.append(_state(number, row["state"], at))
                # What a lead had when it was created is its value from the beginning, not a change.
                changes += _changes(number, was, row, at) if was is not None else []
                before[number] = row
        yield Page("events", tuple(events))
        yield Page("lead_history", tuple(changes))

    def _replayed(
        self, moments: Mapping[int, list[int]]
    ) -> Iterator[tuple[int, dict[int, dict[str, Value]]]]:
        """Read the leads at each moment in turn, in as few requests as intervals allow.

        A revision holds until the next one of its lead, so one request for a moment serves
        all revisions that hold then; asking always where the next one ends needs the fewest.
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
        lead_rows: dict[int, dict[int, dict[str, Value]]] = {at: {} for at in sorted(moments)}
        for look, some in looks.items():
            rows = self._values(sorted({number for _, number in some}), look)
            for start, number in some:
                if number in rows:
                    lead_rows[start][number] = rows[number]
        yield from lead_rows.items()

    def _values(self, numbers: list[int], at: int) -> dict[int, dict[str, Value]]:
        """Read leads as they were at a moment; those that did not exist are left out."""
        context = {"_datetime": as_datetime(at)}
        domain, names = [["id", "in", numbers]], list(_REPLAYED)
        method = f"model.{MODEL}.search_read"
        rows = self._rpc(method, domain, 0, None, None, names, context=context)
        return {row["id"]: {name: _plain_value(row.get(name)) for name in names} for row in rows}

    def _pages(
        self, model: str, domain: list[Any], names: list[str], context: Mapping[str, Any]
    ) -> Iterator[list[dict[str, Any]]]:
        last = 0
        while True:
            rows = self._rpc(
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

    def _rpc(self, method: str, *params: Any, context: Mapping[str, Any] | None = None) -> Any:
        return self._ask(lambda: self._crm.rpc(method, *params, context=context))


def _changed(since: Since) -> list[Any]:
    if since.until is None:
        return []
    edge = as_datetime(since.until)
    return [["OR", ["write_date", ">=", edge], ["create_date", ">=", edge]]]


def _plain_value(value: Any) -> Value:
    """Return a value of Tryton's; a decimal number as a float."""
    if isinstance(value, Mapping):
        return float(value["decimal"])
    return value  # type: ignore[no-any-return]


def _lead(row: Mapping[str, Any]) -> dict[str, Value]:
    return {
        "lead_id": str(row["id"]),
        "number": row.get("number"),
        "reference": row.get("reference"),
        "company": (row.get("party.") or {}).get("name"),
        "account_id": text(row.get("party")),
        "owner": text(row.get("employee")),
        "state": row["state"],
        "description": row.get("description"),
        "amount": _plain_value(row.get("amount")),
        "created_at": time_of(row["create_date"]),
        "changed_at": time_of(row.get("write_date") or row["create_date"]),
    }


def _note(row: Mapping[str, Any]) -> dict[str, Value]:
    """Make an event of a note; "call: left a message" is a call, anything else a note."""
    at = moment(time_of(row["create_date"]))
    words = (row["message"] or "").split("\n", 1)[0].split(":", 1)
    known = len(words) == 2 and words[0].isidentifier()
    return event(
        f"note-{row['id']}",
        str(row["resource"]).partition(",")[2],
        words[0] if known else "note",
        at,
        recorded=at,
        changed=moment(time_of(row.get("write_date") or row["create_date"])),
    )


def _state(number: int, state: Value, at: int) -> dict[str, Value]:
    return event(f"state-{number}-{at}", str(number), f"state_{state}", at, recorded=at, changed=at)


def _changes(
    number: int, was: Mapping[str, Value], row: Mapping[str, Value], at: int
) -> list[dict[str, Value]]:
    return [
        change(f"{number}-{name}-{at}", str(number), field, was[name], row[name], at)
        for name, field in _REPLAYED.items()
        if was[name] != row[name]
    ]
