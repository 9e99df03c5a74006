"""Files without a project file -> a guess which one holds leads, and what each column means."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from data.clock import DAY, NEVER, read_times
from data.errors import InputError
from data.reading.review import guess_of
from data.sketch.looks import ColumnLook, FileLook, overlap

_LEADS: Final = r"lead|mql|prospect|applic|enquir|inquir|contact|customer|client"
_DEALS: Final = r"deal|opportunit|won|closed|order|contract|sale"
_CREATED: Final = (
    r"creat|regist|reg_|first|start|submit|signup|inquir|date_in|opened"
    r"|creazione|inserim|cré[ée]|création|erstellt|angelegt|eingang"
)
_LABEL: Final = r"^y$|conver[ts]|won|target|label|success|outcome|subscribed|is_customer"
LABEL_TIME: Final = r"conver[ts]|won|opportunit|deal_?(date|at)|vint[ao]|gagn|abschluss|gewonnen"
LOST_TIME: Final = r"disqualif|lost|reject|closed|squalific|(^|[ _])pers[ao]$|perdu|storno|verloren"
CONVERSION_TYPES: Final = (
    r"opportun",
    r"(^|[ _])(convert|accept|approv|won|deal)",
    r"agreed|(^|[ _])(contract|signed|purchase|order)",
)
"""Names of event types that mean a conversion, the surest first."""
OUTCOME_TYPES: Final = r"declin|cancel|disqual|unqualif|reject|lost|^(deleted|merged)$"
_TYPE: Final = r"type|event|action|activity|kind|name|tipo|genre|^(art|typ)$"
RECORDED: Final = r"record|ingest|load|insert|logged"
EVENT_ROLES: Final = {
    "channel": r"channel|medium",
    "campaign": r"campaign",
    "person": r"contact|person|resource|user|agent",
    "direction": r"direction|inbound|direzione|richtung",
}
_FIELD: Final = r"field|property|attribute"
_OLD: Final = r"^old|before|from_value"
_NEW: Final = r"^new|after|to_value"
_CLOCKS: Final = ("_known_at", "_known_on", "_known", "_answered_at")
ROLES: Final = {
    "account": r"account|company_?id|organi[sz]ation_?id",
    "name": r"^(company|account_?name|full_?name|name|azienda|entreprise)$|ragione|société|^firma",
    "owner": r"owner|^rep$|sales_?rep|assigned|venditore|commercial|betreuer",
    "channel": r"channel|origin|source|medium|canal|fonte|provenien|kanal|quelle|herkunft",
    "email": r"e[-_ ]?mail$|courriel",
    "title": r"job_?title|^title$|position|ruolo|fonction|funktion",
}


@dataclass(frozen=True, slots=True)
class HistoryLook:
    """A file of changes to the fields of leads, and its columns."""

    file: FileLook
    lead: ColumnLook
    field: ColumnLook
    old: ColumnLook
    new: ColumnLook
    at: ColumnLook

    @property
    def fields(self) -> set[str]:
        """Name the fields whose value at any moment can be replayed."""
        return {str(name) for name in self.field.values.to_pylist()}


@dataclass(frozen=True, slots=True)
class ExportGuess:
    """What each file seems to hold; without a time of creation the project is static."""

    folder: Path
    leads: FileLook
    ids: ColumnLook
    created: ColumnLook | None
    flag: ColumnLook | None
    histories: tuple[HistoryLook, ...]
    joins: tuple[tuple[FileLook, ColumnLook, ColumnLook], ...]
    events: tuple[FileLook, ...]
    deals: FileLook | None
    unknown: tuple[FileLook, ...]


def guess_export(looks: list[FileLook], folder: Path) -> ExportGuess:
    """Guess what each file holds."""
    leads, ids = find_leads(looks)
    created = find_created(leads)
    others = [look for look in looks if look is not leads]
    histories = [] if created is None else [h for look in others if (h := find_history(look, ids))]
    others = [look for look in others if all(look is not history.file for history in histories)]
    about_leads = [look for look in others if lead_column(look, ids)]
    joins, unknown = [], [look for look in about_leads if not look.of_kind("time")]
    for look in (look for look in others if lead_column(look, ids) is None):
        if keys := find_key(look, leads, ids):
            joins.append((look, *keys))
        else:
            unknown.append(look)
    events = [look for look in about_leads if look.of_kind("time")]
    deals = next((look for look in events if re.search(_DEALS, look.stem)), None)
    return ExportGuess(
        folder=folder,
        leads=leads,
        ids=ids,
        created=created,
        flag=find_flag(leads) if created is None else None,
        histories=tuple(histories),
        joins=tuple(joins),
        events=tuple(look for look in events if look is not deals),
        deals=deals,
        unknown=tuple(look for look in looks if any(look is other for other in unknown)),
    )


def find_leads(looks: list[FileLook]) -> tuple[FileLook, ColumnLook]:
    """Find the table with one row per lead and its id column."""
    best = _best_ids(looks, repeated=False) or _best_ids(looks, repeated=True)
    if best is None:
        look = max(looks, key=lambda x: find_flag(x) is not None)
        if find_flag(look) is None:
            raise InputError(
                "no file has a column that is different in every row, so none holds leads",
                file=", ".join(x.path.name for x in looks),
                cure="one file needs one row for each lead, and a column with its id",
            )
        return look, ColumnLook(
            "#row", "number", 1.0, look.rows, True, look.of_kind("flag")[0].values
        )
    return best


def _best_ids(looks: list[FileLook], *, repeated: bool) -> tuple[FileLook, ColumnLook] | None:
    """Find the likeliest ids among columns that differ in every row, or in all but a few."""
    best: tuple[float, FileLook, ColumnLook] | None = None
    for look in looks:
        for column in look.of_kind("text", "number"):
            others = [other for other in looks if other is not look]
            if not (_nearly_ids(column, look, others) if repeated else column.unique):
                continue
            points = 2.0 * bool(re.search(_LEADS, look.stem)) - 2.0 * bool(
                re.search(_DEALS, look.stem)
            )
            points += 1.5 * bool(
                re.search(r"(^|_|\s)(id|number|key)$|^id|^case$", column.name.lower())
            )
            points += sum(_refers(other, column) for other in others)
            points += 0.001 * column.distinct / max(1, max(x.rows for x in looks))
            if best is None or points > best[0]:
                best = (points, look, column)
    return best[1:] if best else None


def _nearly_ids(column: ColumnLook, look: FileLook, others: list[FileLook]) -> bool:
    """Tell whether a full column repeats few of its values, and another file refers to them."""
    few = column.filled == 1.0 and column.distinct >= max(20, 0.95 * look.rows)
    return few and any(lead_column(other, column) is not None for other in others)


def _refers(look: FileLook, ids: ColumnLook) -> float:
    """Score how a file refers to these ids: 0 not at all, 1 once each, 2 repeatedly."""
    column = lead_column(look, ids)
    return 0.0 if column is None else 1.0 if column.unique else 2.0


def lead_column(look: FileLook, ids: ColumnLook) -> ColumnLook | None:
    """Find the column of a file that holds lead ids."""
    shares = [(overlap(c, ids), c.name == ids.name, c) for c in look.of_kind("text", "number")]
    fitting = [(same, share, c) for share, same, c in shares if share > 0.5]
    fitting = [
        (same, share, c) for same, share, c in fitting if same or c.distinct > 20 or c.unique
    ]
    if not fitting:
        return None
    return max(fitting, key=lambda item: (item[0], item[1], item[2].distinct))[2]


def named(columns: list[ColumnLook], pattern: str) -> ColumnLook | None:
    """Find the first column whose name fits."""
    return next((c for c in columns if re.search(pattern, c.name.lower())), None)


def find_created(leads: FileLook) -> ColumnLook | None:
    """Find the time of creation: filled in every row, best by name."""
    full = [c for c in leads.of_kind("time") if c.filled == 1.0]
    return named(full, _CREATED) or (full[0] if full else None)


def find_flag(leads: FileLook) -> ColumnLook | None:
    """Find a yes/no column that may be the outcome: by its name, else the last one."""
    flags = leads.of_kind("flag")
    return named(flags, _LABEL) or (flags[-1] if flags else None)


def guess_column(column: ColumnLook, look: FileLook) -> str:
    """Guess what a column is, from its name and from how it is filled."""
    guess = guess_of(column.name)[0]
    if guess != "fixed":
        return guess
    if column.filled < 0.5:
        return f"filled later, as only {column.filled:.0%} of the rows have it"
    unlike = column.kind == "text" and column.distinct > 0.9 * column.filled * look.rows > 20
    return "identity" if unlike else guess


def propose_ages(created: ColumnLook) -> list[str]:
    """Propose snapshot ages, older ones only where the data cover them and a horizon of 90 days."""
    at = read_times(pa.chunked_array([created.values]), date_format=created.date_format).at
    known = at[at != NEVER]
    span = (int(known.max()) - int(known.min())) / DAY if len(known) else 0.0
    older = [days for days in (120, 240, 480) if 2 * (days + 90) <= span]
    return ["1d", "7d", "14d", "30d", "60d", *(f"{days}d" for days in older)]


def find_history(look: FileLook, ids: ColumnLook) -> HistoryLook | None:
    """Read a file as a history of fields: a lead, a field, old, new and a time."""
    columns = list(look.columns.values())
    field, old, new = (named(columns, pattern) for pattern in (_FIELD, _OLD, _NEW))
    lead, times = lead_column(look, ids), look.of_kind("time")
    if field and old and new and lead and times:
        return HistoryLook(look, lead, field, old, new, times[0])
    return None


def event_type(look: FileLook, ids: ColumnLook) -> ColumnLook | None:
    """Find the column that says what kind of event it was."""
    lead = lead_column(look, ids)
    words = [c for c in look.of_kind("text") if c is not lead and 1 < c.distinct <= 500]
    return named(words, _TYPE) or min(words, key=lambda c: c.distinct, default=None)


def find_dated(leads: FileLook, taken: set[str]) -> dict[str, str]:
    """Find columns that another column dates: budget and budget_known_at."""
    times = {c.name.lower(): c.name for c in leads.of_kind("time") if c.name not in taken}
    pairs = {}
    for column in leads.of_kind("text", "number", "flag"):
        for ending in _CLOCKS:
            clock = times.get(column.name.lower() + ending)
            if clock and column.name not in taken:
                pairs[column.name] = clock
    return pairs


def find_key(
    look: FileLook, leads: FileLook, ids: ColumnLook
) -> tuple[ColumnLook, ColumnLook] | None:
    """Find by which column of the leads a file is joined, and by which of its own."""
    pairs = [
        (column.name == key.name, overlap(column, key), column, key)
        for key in look.of_kind("text", "number")
        if key.unique
        for column in leads.of_kind("text", "number")
        if column is not ids
    ]
    fitting = [pair for pair in pairs if pair[1] > 0.5 and (pair[0] or pair[2].kind == "text")]
    return max(fitting, key=lambda pair: pair[:2])[2:] if fitting else None
