"""Files nobody has described -> a commented project file that loads, for a person to correct."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from data.errors import InputError
from data.looks import ColumnLook, FileLook, look_at, overlap
from data.review import guess_of

_LEADS: Final = r"lead|mql|prospect|applic|enquir|inquir|contact|customer|client"
_DEALS: Final = r"deal|opportunit|won|closed|order|contract|sale"
_CREATED: Final = r"creat|regist|reg_|first|start|submit|signup|inquir|date_in|opened"
_LABEL: Final = r"^y$|conver[ts]|won|target|label|success|outcome|subscribed|is_customer"
_LABEL_TIME: Final = r"conver[ts]|won|opportunit|deal_?(date|at)"
_LOST_TIME: Final = r"disqualif|lost|reject|closed"
_TYPE: Final = r"type|event|action|activity|kind|name"
_ROLES: Final = {
    "account": r"account|company_?id|organi[sz]ation_?id",
    "name": r"^(company|account_?name|full_?name|name)$",
    "owner": r"owner|^rep$|sales_?rep|assigned",
    "channel": r"channel|origin|source|medium",
    "email": r"e_?mail$",
    "title": r"job_?title|^title$|position",
}


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
    leads, ids = _find_leads(looks)
    others = [look for look in looks if look is not leads]
    out = _Lines()
    out.say(
        comment="Written by `leadscore init` from the columns. Every guess is marked: check them."
    )
    out.say()
    created = _find_created(leads)
    flag = _find_flag(leads) if created is None else None
    _write_project(out, looks, name or leads.stem, created, ids)
    out.say()
    used = _write_leads(out, leads, ids, created, flag, others, Path(folder))
    events = [e for e in others if e not in used and _lead_column(e, ids) and e.of_kind("time")]
    deals = next((e for e in events if re.search(_DEALS, e.stem)), None)
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


def _find_leads(looks: list[FileLook]) -> tuple[FileLook, ColumnLook]:
    """Find the table with one row per lead and its id column."""
    best: tuple[float, FileLook, ColumnLook] | None = None
    for look in looks:
        for column in look.columns.values():
            if not column.unique or column.kind not in ("text", "number"):
                continue
            points = 2.0 * bool(re.search(_LEADS, look.stem)) - 2.0 * bool(
                re.search(_DEALS, look.stem)
            )
            points += 1.5 * bool(
                re.search(r"(^|_|\s)(id|number|key)$|^id|^case$", column.name.lower())
            )
            points += sum(_refers(other, column) for other in looks if other is not look)
            points += 0.001 * column.distinct / max(1, max(x.rows for x in looks))
            if best is None or points > best[0]:
                best = (points, look, column)
    if best is None:
        look = max(looks, key=lambda x: _find_flag(x) is not None)
        if _find_flag(look) is None:
            raise InputError(
                "no file has a column that is different in every row, so none holds leads",
                file=", ".join(x.path.name for x in looks),
            )
        return look, ColumnLook(
            "#row", "number", 1.0, look.rows, True, look.of_kind("flag")[0].values
        )
    return best[1], best[2]


def _refers(look: FileLook, ids: ColumnLook) -> float:
    """Say how much a file speaks of these ids; more if it repeats them."""
    column = _lead_column(look, ids)
    return 0.0 if column is None else 1.0 if column.unique else 2.0


def _lead_column(look: FileLook, ids: ColumnLook) -> ColumnLook | None:
    """Find the column of a file that holds lead ids."""
    shares = [(overlap(c, ids), c.name == ids.name, c) for c in look.of_kind("text", "number")]
    fitting = [(same, share, c) for share, same, c in shares if share > 0.5]
    fitting = [
        (same, share, c) for same, share, c in fitting if same or c.distinct > 20 or c.unique
    ]
    if not fitting:
        return None
    return max(fitting, key=lambda item: (item[0], item[1], item[2].distinct))[2]


def _named(columns: list[ColumnLook], pattern: str) -> ColumnLook | None:
    """Find the first column whose name fits."""
    return next((c for c in columns if re.search(pattern, c.name.lower())), None)


def _find_created(leads: FileLook) -> ColumnLook | None:
    """Find the time of creation: filled in every row, best by name."""
    full = [c for c in leads.of_kind("time") if c.filled == 1.0]
    return _named(full, _CREATED) or (full[0] if full else None)


def _find_flag(leads: FileLook) -> ColumnLook | None:
    """Find a yes/no column that may be the outcome."""
    flags = leads.of_kind("flag")
    return _named(flags, _LABEL) or (flags[-1] if len(flags) == 1 else None)


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
    out.key("id", ids.name)
    taken = {ids.name}
    if created is not None:
        out.key("created_at", created.name, "check: the moment when the lead was entered")
        taken.add(created.name)
        for role, pattern in (("converted_at", _LABEL_TIME), ("disqualified_at", _LOST_TIME)):
            column = _named([c for c in times if c.name not in taken and c.filled < 1], pattern)
            if column:
                out.say(
                    f"# {role} = {json.dumps(column.name, ensure_ascii=False)}",
                    "a guess by its name",
                )
                taken.add(column.name)
    elif flag is not None:
        out.say(comment="No creation time was found: static mode, no claim about time can be made.")
        out.key("converted", flag.name, "check: the outcome")
        taken.add(flag.name)
    for role, pattern in _ROLES.items():
        column = _named(
            [c for c in leads.of_kind("text", "number") if c.name not in taken], pattern
        )
        if column and not (created is None and role in ("account", "name")):
            out.key(role, column.name, "check")
            if role not in ("channel", "title"):
                taken.add(column.name)
    _write_columns(out, leads, taken, static=created is None)
    return _write_joins(out, leads, ids, others, folder, static=created is None)


def _write_columns(out: _Lines, look: FileLook, taken: set[str], *, static: bool) -> None:
    """Propose `fixed` and `exclude` for the columns without a role."""
    rest = [
        c for c in look.columns.values() if c.name not in taken and c.kind not in ("time", "empty")
    ]
    doubt = [(c.name, guess_of(c.name)[0]) for c in rest]
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
        roles = {
            r: _named(list(look.columns.values()), p)
            for r, p in (
                ("field", r"field|property|attribute"),
                ("old", r"^old|before|from_value"),
                ("new", r"^new|after|to_value"),
            )
        }
        lead, at = _lead_column(look, ids), next(iter(look.of_kind("time")), None)
        if all(roles.values()) and lead and at and not static:
            out.say()
            out.say("[[leads.history]]", "value at any moment is replayed from it")
            _write_source(out, look, folder, at)
            out.key("lead", lead.name)
            for role, column in roles.items():
                out.key(role, column.name if column else role)
            out.key("at", at.name)
            used.append(look)
    for look in (x for x in others if x not in used and _lead_column(x, ids) is None):
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
        lead, times = _lead_column(look, ids), look.of_kind("time")
        if lead is None:
            continue
        recorded = _named(times, r"record|ingest|load|insert|logged")
        at = next((c for c in times if c is not recorded), times[0])
        words = [c for c in look.of_kind("text") if c is not lead and 1 < c.distinct <= 500]
        kind = _named(words, _TYPE) or (min(words, key=lambda c: c.distinct) if words else None)
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
            ("direction", r"direction|inbound"),
        ):
            column = _named(
                [c for c in look.of_kind("text", "number") if c not in (lead, kind)], pattern
            )
            if column:
                out.key(role, column.name)
        if kind:
            found.append((look, kind))
            ends = [
                w
                for w in kind.values.to_pylist()
                if re.search(r"declin|cancel|disqual|reject|lost", str(w).lower())
            ]
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
    stamp = _named([c for c in leads.of_kind("time") if c.filled < 1], _LABEL_TIME)
    words = [str(word) for _, kind in types for word in kind.values.to_pylist()]
    likely = [
        w
        for w in words
        if re.search(r"opportun|(^|[ _])(convert|accept|approv|won|deal)", w.lower())
    ]
    if deals is not None:
        lead, at = _lead_column(deals, ids), deals.of_kind("time")[0]
        _write_source(out, deals, folder, at)
        out.key("lead", lead.name if lead else ids.name)
        out.key("at", at.name, "check: when the opportunity was made")
    elif stamp is not None:
        index = next(i for i, line in enumerate(out.lines) if line.startswith("# converted_at"))
        out.lines[index] = out.lines[index].removeprefix("# ")
    elif words:
        out.key("event", (likely or words)[0], f"CHOOSE: of {', '.join(sorted(set(words))[:12])}")
    else:
        raise InputError(
            "nothing could be the conversion",
            file=leads.path.name,
            cure="a date of conversion, a table of deals, or events are needed",
        )
    out.key("horizon", "90d", "`leadscore check` prints which share of conversions it covers")
    out.key("snapshots", ["1d", "7d", "14d", "30d", "60d"], "ages at which leads are scored")
