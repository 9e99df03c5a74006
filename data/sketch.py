"""Files nobody has described -> a commented project file that loads, for a person to correct."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from data.errors import InputError
from data.guess import (
    DEALS,
    ENDED,
    HISTORY,
    LABEL_TIME,
    LIKELY,
    LOST_TIME,
    ROLES,
    TYPE,
    find_created,
    find_flag,
    find_leads,
    guess_column,
    lead_column,
    named,
    propose_ages,
)
from data.looks import ColumnLook, FileLook, look_at, overlap
from data.review import guess_of


@dataclass(slots=True)
class _Lines:
    """The lines of a project file."""

    lines: list[str] = field(default_factory=list)

    def say(self, line: str = "", comment: str = "") -> None:
        """Add a line, with a comment beside it."""
        self.lines.append(
            f"{line:<44} # {comment}"
            if comment and line
            else line or f"# {comment}"
            if comment
            else line
        )

    def key(self, name: str, value: object, comment: str = "") -> None:
        """Add `name = value`; JSON's strings and lists are TOML's."""
        self.say(f"{name} = {json.dumps(value, ensure_ascii=False)}", comment)


def sketch_project(files: Sequence[str | Path], *, folder: str | Path = ".", name: str = "") -> str:
    """Write a project file for these files: TOML text with comments where a person must look.

    Paths are written relative to `folder` (where the file will stand). InputError where no leads
    or nothing that could be a conversion is found.
    """
    if not files:
        raise InputError("no file given", cure="leadscore init leads.csv touches.csv")
    looks = [look_at(Path(file)) for file in files]
    leads, ids = find_leads(looks)
    others = [look for look in looks if look is not leads]
    out = _Lines()
    out.say(
        comment="Written by `leadscore init` from the columns. Every guess is marked: check them."
    )
    out.say()
    created = find_created(leads)
    flag = find_flag(leads) if created is None else None
    _write_project(out, looks, name or leads.stem, created, ids)
    out.say()
    used = _write_leads(out, leads, ids, created, flag, others, Path(folder))
    events = [e for e in others if e not in used and lead_column(e, ids) and e.of_kind("time")]
    deals = next((e for e in events if re.search(DEALS, e.stem)), None)
    types = (
        _write_events(out, [e for e in events if e is not deals], ids, Path(folder))
        if created
        else []
    )
    _write_conversion(out, leads, created, flag, deals, types, ids, Path(folder))
    for look in others:
        if look not in used and look not in events:
            out.say(comment=f"{look.path.name} was not understood: no column refers to a lead.")
    return "\n".join(out.lines) + "\n"


def _write_project(
    out: _Lines, looks: list[FileLook], name: str, created: ColumnLook | None, ids: ColumnLook
) -> None:
    """Write [project]."""
    out.say("[project]")
    out.key("name", re.sub(r"[^A-Za-z0-9_.-]+", "_", name).strip("_.-")[:64] or "leads")
    out.key("timezone", "UTC", "of times without an offset: check")
    missing = sorted({word for look in looks for word in look.missing})
    if missing:
        out.key("missing", ["", *missing], "words that mean missing: check")
    if created is None and ids.name == "#row":
        out.say('# order_by = "#row"', "if rows stand in time order")
    elif created is None:
        out.say('# order_by = "…"', "a column that grows with time, if there is one")


def _path(look: FileLook, folder: Path) -> str:
    """Write the path of a file: below LEADSCORE_DATA, below the folder, or absolute."""
    path = look.path.resolve()
    root = os.environ.get("LEADSCORE_DATA")
    if root and path.is_relative_to(Path(root).resolve()):
        return "${LEADSCORE_DATA}/" + path.relative_to(Path(root).resolve()).as_posix()
    if path.is_relative_to(folder.resolve()):
        return path.relative_to(folder.resolve()).as_posix()
    return path.as_posix()


def _write_source(out: _Lines, look: FileLook, folder: Path, *times: ColumnLook | None) -> None:
    """Write the keys that every source has."""
    out.key("source", _path(look, folder))
    if look.encoding != "utf-8":
        out.key("encoding", look.encoding, "the file is not UTF-8: check letters with accents")
    formats = {c.date_format for c in times if c is not None and c.date_format}
    doubtful = any(c.ambiguous for c in times if c is not None)
    if formats:
        out.key(
            "date_format",
            sorted(formats)[0],
            "day and month may be exchanged: check" if doubtful else "",
        )
    decimals = [c for c in look.of_kind("number") if _has_comma(c)]
    if decimals:
        out.key("decimal", ",", f"as in {decimals[0].name}")


def _has_comma(column: ColumnLook) -> bool:
    """Tell whether numbers are written with a decimal comma."""
    return any("," in str(value) for value in column.values[:50].to_pylist())


def _write_leads(
    out: _Lines,
    leads: FileLook,
    ids: ColumnLook,
    created: ColumnLook | None,
    flag: ColumnLook | None,
    others: list[FileLook],
    folder: Path,
) -> list[FileLook]:
    """Write [leads] and its joins; returns the files used."""
    out.say("[leads]")
    times = leads.of_kind("time")
    _write_source(out, leads, folder, *times)
    again = leads.rows - ids.distinct if ids.name in leads.columns else 0
    out.key("id", ids.name, f"{again:,} rows repeat an id: keep one row per lead" if again else "")
    taken = {ids.name}
    if created is not None:
        out.key("created_at", created.name, "check: the moment when the lead was entered")
        taken.add(created.name)
        for role, pattern in (("converted_at", LABEL_TIME), ("disqualified_at", LOST_TIME)):
            column = named([c for c in times if c.name not in taken and c.filled < 1], pattern)
            if column:
                out.say(
                    f"# {role} = {json.dumps(column.name, ensure_ascii=False)}",
                    "a guess by its name",
                )
                taken.add(column.name)
        _write_partial_dates(out, [c for c in times if c.name not in taken and c.filled < 1])
    elif flag is not None:
        out.say(comment="No creation time was found: static mode, no claim about time can be made.")
        flags = ", ".join(column.name for column in leads.of_kind("flag"))
        out.key("converted", flag.name, f"CHOOSE the outcome: of {flags}")
        taken.add(flag.name)
    for role, pattern in ROLES.items():
        column = named([c for c in leads.of_kind("text", "number") if c.name not in taken], pattern)
        if column and not (created is None and role in ("account", "name")):
            out.key(role, column.name, "check")
            if role not in ("channel", "title"):
                taken.add(column.name)
    dated = {} if created is None else _dated(leads, taken)
    replayed = _replayed(others, ids) if created is not None else set()
    _write_columns(out, leads, {*taken, *dated, *replayed}, static=created is None)
    if dated:
        out.say()
        out.say("[leads.known_at]", "column = the column that says when it became known")
        for name, clock in dated.items():
            out.key(json.dumps(name, ensure_ascii=False), clock)
    return _write_joins(out, leads, ids, others, folder, static=created is None)


def _write_partial_dates(out: _Lines, dates: list[ColumnLook]) -> None:
    """List the dates that only some leads have: what became of a lead may be among them."""
    if dates:
        out.say(comment="Dates of some leads only: converted_at or disqualified_at among them?")
    for column in dates:
        out.say(comment=f"  {column.name}: in {column.filled:.0%} of the rows")


def _dated(leads: FileLook, taken: set[str]) -> dict[str, str]:
    """Find columns with a clock of their own: budget and budget_known_at."""
    times = {c.name.lower(): c.name for c in leads.of_kind("time") if c.name not in taken}
    pairs = {}
    for column in leads.of_kind("text", "number", "flag"):
        for ending in ("_known_at", "_known_on", "_known", "_answered_at"):
            clock = times.get(column.name.lower() + ending)
            if clock and column.name not in taken:
                pairs[column.name] = clock
    return pairs


def _history_roles(look: FileLook) -> dict[str, ColumnLook | None]:
    """Find the columns of a field history: field, old, new."""
    columns = list(look.columns.values())
    return {role: named(columns, pattern) for role, pattern in HISTORY.items()}


def _replayed(others: list[FileLook], ids: ColumnLook) -> set[str]:
    """List the fields whose history is there: their values at any moment are replayed."""
    names: set[str] = set()
    for look in others:
        roles = _history_roles(look)
        field_ = roles["field"]
        if all(roles.values()) and field_ is not None and lead_column(look, ids):
            names |= {str(name) for name in field_.values.to_pylist()}
    return names


def _write_columns(out: _Lines, look: FileLook, taken: set[str], *, static: bool) -> None:
    """Propose `fixed` and `exclude` for the columns without a role."""
    rest = [
        c for c in look.columns.values() if c.name not in taken and c.kind not in ("time", "empty")
    ]
    doubt = [(c.name, guess_of(c.name)[0] if static else guess_column(c, look)) for c in rest]
    fine = [n for n, guess in doubt if guess == "fixed"]
    if static:
        out.say(
            comment="Every column but the excluded ones is a feature. By their names suspicious:"
        )
        for name, guess in doubt:
            if guess != "fixed":
                out.say(comment=f"  {name}: {guess}")
        bad = [n for n, guess in doubt if guess != "fixed"]
        out.say(f"# exclude = {json.dumps(bad, ensure_ascii=False)}")
        return
    out.say(comment="A column is a feature only if it is declared: fixed at creation, or dated.")
    out.say(comment="Uncomment what was known when the lead was created and never changed since:")
    out.say(f"# fixed = {json.dumps(fine, ensure_ascii=False)}")
    for name, guess in doubt:
        if guess != "fixed":
            out.say(comment=f"  {name}: {guess}? then it needs known_at or a history")


def _write_joins(
    out: _Lines,
    leads: FileLook,
    ids: ColumnLook,
    others: list[FileLook],
    folder: Path,
    *,
    static: bool,
) -> list[FileLook]:
    """Write [[leads.history]] and [[leads.join]] for files that look like them."""
    used = []
    for look in others:
        roles = _history_roles(look)
        lead, at = lead_column(look, ids), next(iter(look.of_kind("time")), None)
        if all(roles.values()) and lead and at and not static:
            out.say()
            out.say("[[leads.history]]", "value at any moment is replayed from it")
            _write_source(out, look, folder, at)
            out.key("lead", lead.name)
            for role, column in roles.items():
                out.key(role, column.name if column else role)
            out.key("at", at.name)
            used.append(look)
    for look in (x for x in others if x not in used and lead_column(x, ids) is None):
        keys = [c for c in look.columns.values() if c.unique and c.kind in ("text", "number")]
        links = [
            (overlap(c, k), c, k)
            for k in keys
            for c in leads.of_kind("text", "number")
            if c is not ids
        ]
        best = max(
            (
                link
                for link in links
                if link[0] > 0.5 and (link[1].name == link[2].name or link[1].kind == "text")
            ),
            key=lambda link: (link[1].name == link[2].name, link[0]),
            default=None,
        )
        if best:
            out.say()
            out.say("[[leads.join]]", "attributes by key")
            _write_source(out, look, folder)
            out.key("on", best[1].name)
            if best[2].name != best[1].name:
                out.key("key", best[2].name)
            _write_columns(out, look, {best[2].name}, static=static)
            used.append(look)
    return used


def _write_events(
    out: _Lines, events: list[FileLook], ids: ColumnLook, folder: Path
) -> list[tuple[FileLook, ColumnLook]]:
    """Write [[events]] for every file with a lead and a time; returns (file, type column)."""
    found = []
    for look in events:
        lead, times = lead_column(look, ids), look.of_kind("time")
        if lead is None:
            continue
        recorded = named(times, r"record|ingest|load|insert|logged")
        at = next((c for c in times if c is not recorded), times[0])
        words = [c for c in look.of_kind("text") if c is not lead and 1 < c.distinct <= 500]
        kind = named(words, TYPE) or (min(words, key=lambda c: c.distinct) if words else None)
        out.say()
        out.say("[[events]]")
        _write_source(out, look, folder, at, recorded)
        out.key("lead", lead.name)
        out.key("at", at.name)
        if recorded and recorded is not at:
            out.key("recorded_at", recorded.name, "second clock: when it was entered")
        out.key("type", [kind.name] if kind else [f"={look.stem}"], "check")
        for role, pattern in (
            ("channel", r"channel|medium"),
            ("campaign", r"campaign"),
            ("person", r"contact|person|resource|user|agent"),
            ("direction", r"direction|inbound|direzione|richtung"),
        ):
            column = named(
                [c for c in look.of_kind("text", "number") if c not in (lead, kind)], pattern
            )
            if column:
                out.key(role, column.name)
        if kind:
            found.append((look, kind))
            ends = [w for w in kind.values.to_pylist() if re.search(ENDED, str(w).lower())]
            out.say(
                f"# outcome = {json.dumps(ends[:8], ensure_ascii=False)}",
                "types that end a lead: check",
            )
    return found


def _write_conversion(
    out: _Lines,
    leads: FileLook,
    created: ColumnLook | None,
    flag: ColumnLook | None,
    deals: FileLook | None,
    types: list[tuple[FileLook, ColumnLook]],
    ids: ColumnLook,
    folder: Path,
) -> None:
    """Write [conversion]: a table of deals, a column of leads, or an event; InputError else."""
    out.say()
    out.say("[conversion]")
    if created is None:
        if flag is None:
            raise InputError(
                "no column could be the outcome",
                file=leads.path.name,
                cure="a yes/no column such as `converted` is needed",
            )
        out.say(
            comment="The flag leads.converted is the outcome; without dates there is no horizon."
        )
        return
    stamp = named([c for c in leads.of_kind("time") if c.filled < 1], LABEL_TIME)
    words = [str(word) for _, kind in types for word in kind.values.to_pylist()]
    likely = [w for pattern in LIKELY for w in words if re.search(pattern, w.lower())]
    if deals is not None:
        lead, at = lead_column(deals, ids), deals.of_kind("time")[0]
        _write_source(out, deals, folder, at)
        out.key("lead", lead.name if lead else ids.name)
        out.key("at", at.name, "check: when the opportunity was made")
    elif stamp is not None:
        index = next(i for i, line in enumerate(out.lines) if line.startswith("# converted_at"))
        out.lines[index] = out.lines[index].removeprefix("# ")
    elif words:
        listed = sorted(set(words))
        more = f" and {len(listed) - 40} more" if len(listed) > 40 else ""
        out.key("event", (likely or words)[0], f"CHOOSE: of {', '.join(listed[:40])}{more}")
    else:
        raise InputError(
            "nothing could be the conversion",
            file=leads.path.name,
            cure="a date of conversion, a table of deals, or events are needed",
        )
    out.key("horizon", "90d", "`leadscore check` prints which share of conversions it covers")
    out.key(
        "snapshots", propose_ages(created), "ages of leads to learn from: as old as open leads get"
    )
