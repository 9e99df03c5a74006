"""A file -> the keys that every source of a project file has: path, encoding, form of dates."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import tomlkit
from tomlkit.items import Table

from data.reading.number_texts import as_declared, only_sign
from data.sketch.commented_toml import propose_key, set_key
from data.sketch.looks import ColumnLook, FileLook


def source_table(look: FileLook, folder: Path, *times: ColumnLook | None) -> Table:
    """Begin a table with source, encoding, the form of its `times` and the decimal comma."""
    table = tomlkit.table()
    add_source(table, look, folder, *times)
    _write_decimal(table, [c for c in look.of_kind("number") if pa.types.is_string(c.values.type)])
    return table


def _write_decimal(table: Table, columns: Sequence[ColumnLook]) -> None:
    """Write what stands before the decimals; of single columns, where they differ.

    "12.500" alone may be either: where nothing else in its table tells, a person must.
    """
    signs = {column.name: only_sign(column.values) for column in columns}
    declared = as_declared(signs)
    commas = [name for name, sign in signs.items() if sign == ","]
    either = [(c.name, _marked(c)) for c in columns if signs[c.name] is None and _marked(c)]
    doubt = f"{either[0][1]} of {either[0][0]}" if either else ""
    if isinstance(declared, dict):
        pairs = tomlkit.inline_table()
        pairs.update(declared)
        others = [name for name, sign in signs.items() if sign == "."]
        words = f"check: these have a comma, {', '.join(others[:5])} a point"
        more = f"; CHOOSE: is {doubt} whole? Then add it"
        set_key(table, "decimal", pairs, words + more * bool(either))
    elif commas:
        set_key(
            table, "decimal", ",", f"as in {commas[0]}" + f"; so {doubt} is whole" * bool(either)
        )
    elif either and "." not in signs.values():
        propose_key(table, "decimal", ",", f"CHOOSE: is {doubt} whole? It is read as a fraction")


def _marked(column: ColumnLook) -> str | None:
    """Find a number with a mark before three digits."""
    return next((word for word in column.words()[:200] if "." in word), None)


def add_source(table: Table, look: FileLook, folder: Path, *times: ColumnLook | None) -> None:
    """Add source, encoding and date_format to a table."""
    set_key(table, "source", _path(look, folder))
    if look.encoding != "utf-8":
        words = "the file is not UTF-8: check letters with accents"
        set_key(table, "encoding", look.encoding, words)
    written = [c for c in times if c is not None and c.date_format]
    if written:
        doubtful = any(c.ambiguous for c in written)
        comment = "CHOOSE: day and month may be exchanged" if doubtful else ""
        forms = sorted({str(c.date_format) for c in written}, key=lambda form: (-len(form), form))
        set_key(table, "date_format", forms[0], comment)


def _path(look: FileLook, folder: Path) -> str:
    """Write the path of a file: below LEADSCORE_DATA, below the folder, or absolute."""
    path = look.path.resolve()
    root = os.environ.get("LEADSCORE_DATA")
    if root and path.is_relative_to(Path(root).resolve()):
        return "${LEADSCORE_DATA}/" + path.relative_to(Path(root).resolve()).as_posix()
    if path.is_relative_to(folder.resolve()):
        return path.relative_to(folder.resolve()).as_posix()
    return path.as_posix()


def rule_name(name: str) -> str:
    """Write a column's name in a rule.

    >>> rule_name('Deal Stage'), rule_name('stage')
    ('"Deal Stage"', '"stage"')
    """
    return '"' + name.replace('"', '""') + '"'


def rule_values(words: list[str] | tuple[str, ...]) -> str:
    """Write values in a rule: = one of them, or in (…).

    >>> rule_values(["Won"]), rule_values(["Won", "Fan's"])
    ("= 'Won'", "in ('Won', 'Fan''s')")
    """
    quoted = ["'" + word.replace("'", "''") + "'" for word in words]
    return f"= {quoted[0]}" if len(quoted) == 1 else f"in ({', '.join(quoted)})"
