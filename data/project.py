"""A TOML project file -> `Project`, every mistake one line with file, line, key and cure."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, get_args, get_origin
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ValidationError

from data.declared_tables import declared_tables, place_of
from data.errors import InputError
from data.idle_keys import idle_keys
from data.near_names import did_you_mean
from data.network import require_named, scheme_of
from data.private import mask
from data.reading.object_files import SCHEME, require_named_store
from data.schema import Project

MAX_BYTES = 1_000_000
ENTITY = r"[\w$-]{1,128}([. ][\w$-]{1,128}){0,3}"
DATABASES = ("postgresql", "mysql", "sqlite", "duckdb")
"""Schemes that a source may have; all but the last two reach over the network."""


def load_project(
    project: str | Path | Mapping[str, object],
    *,
    overrides: Mapping[str, object] = {},
    content: bytes | None = None,
) -> Project:
    """Read and check a project file, or a project given as the nested dict that one holds.

    `overrides` are dotted keys, {"train.seed": 7}. `${NAME}` in a source is taken from the
    environment. InputError names file, line and key. Relative paths start at the file, or where
    the program runs. `content` is what `read_file` found in the file.
    """
    if isinstance(project, Mapping):
        raw, name, text = deepcopy(dict(project)), "project", ""
    else:
        file = Path(project)
        name, text = file.name, _text_of(read_file(file) if content is None else content, file)
        raw = {**_parse(text, name), "folder": str(file.resolve().parent)}
    for key, value in overrides.items():
        _set_dotted_key(raw, key.split("."), value)
    return check_project(raw, file=name, text=text)


def _parse(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"at line (\d+)", str(error))
        row = int(place[1]) if place else None
        if "overwrite" in str(error) and row is not None:
            line = text.splitlines()[row - 1].partition("=")[0].strip()[:60]
            cure = "keep one of them"
            raise InputError(
                f"{line!r} stands there a second time", file=name, row=row, cure=cure
            ) from None
        raise InputError(
            f"is no TOML: {error}", file=name, row=row, cure="correct that line"
        ) from None
    except ValueError:  # Python refuses to read integers of over 4,300 digits
        raise InputError("has a number of too many digits", file=name) from None
    except RecursionError:
        raise InputError("is nested too deeply", file=name) from None


def check_project(raw: Mapping[str, Any], *, file: str = "project", text: str = "") -> Project:
    """Check a project given as nested dicts; `text` helps to name lines."""
    expanded = _expand(dict(raw), (), file, text)
    try:
        project = Project.model_validate(expanded)
    except ValidationError as error:
        raise _first_mistake(error, file, text) from None
    _check_zone(project, file, text)
    _check_sources(project, file)
    _check_entity(project, file, text)
    idle = next(idle_keys(project), None)
    if idle is not None:
        row, column = line_of(text, idle.path), ".".join(map(str, idle.path))
        raise InputError(idle.cause, file=file, row=row, column=column, cure=idle.cure)
    return project


def read_file(file: Path) -> bytes:
    """Read a project file whole; refuse what is absent or too large."""
    try:
        size = file.stat().st_size
    except OSError:
        near = difflib.get_close_matches(file.name, _names_beside(file), 1)
        cure = f"did you mean {near[0]}?" if near else "`leadscore init DATA…` writes one"
        raise InputError("project file not found", file=str(file), cure=cure) from None
    if file.is_dir():
        raise InputError("is a folder, not a project file", file=str(file))
    if size > MAX_BYTES:
        raise InputError(
            f"is {size:,} bytes; a project file has at most {MAX_BYTES:,}", file=file.name
        )
    return file.read_bytes()


def _text_of(content: bytes, file: Path) -> str:
    """Decode a project file; refuse what is no UTF-8."""
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise InputError(f"is not UTF-8 at byte {error.start}", file=file.name) from None


def _names_beside(file: Path) -> list[str]:
    """List the TOML files in the same folder."""
    return (
        sorted(other.name for other in file.parent.glob("*.toml")) if file.parent.is_dir() else []
    )


def _set_dotted_key(raw: dict[str, Any], keys: Sequence[str], value: object) -> None:
    """Set a dotted key; list positions are numbers ("events.0.source")."""
    section: Any = raw
    for key in keys[:-1]:
        section = section[int(key)] if isinstance(section, list) else section.setdefault(key, {})
    if isinstance(section, list):
        section[int(keys[-1])] = value
    else:
        section[keys[-1]] = value


def _expand(value: Any, keys: tuple[str | int, ...], file: str, text: str) -> Any:
    """Replace ${NAME} by the environment in every `source` and `url`."""
    if isinstance(value, dict):
        return {key: _expand(item, (*keys, key), file, text) for key, item in value.items()}
    if isinstance(value, list):
        return [_expand(item, (*keys, i), file, text) for i, item in enumerate(value)]
    if not isinstance(value, str) or not keys or keys[-1] not in ("source", "url"):
        return value

    def from_environment(match: re.Match[str]) -> str:
        name = match[1]
        if not os.environ.get(name):
            raise InputError(
                f"the environment variable {name} is not set",
                file=file,
                row=line_of(text, keys),
                column=".".join(map(str, keys)),
                cure=f"export {name}=…",
            )
        return os.environ[name]

    return re.sub(r"\$\{([A-Z][A-Z0-9_]*)\}", from_environment, value)


def _first_mistake(error: ValidationError, file: str, text: str) -> InputError:
    """Turn the first mistake that pydantic found into one line."""
    mistake = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")[0]
    keys = tuple(key for key in mistake["loc"] if not _names_a_type(key))
    name = ".".join(str(key) for key in keys) or None
    row = line_of(text, keys)
    if mistake["type"] == "extra_forbidden":
        known = known_keys(keys[:-1])
        here = f"known here: {', '.join(known)}"
        cure = did_you_mean(str(keys[-1]), known, here, cutoff=0.5)
        return InputError("unknown key", file=file, row=row, column=name, cure=cure)
    if mistake["type"] == "missing":
        return InputError("is needed and not given", file=file, row=row, column=name)
    message = mistake["msg"].removeprefix("Value error, ").replace("Input should be", "should be")
    message = message.replace("a valid tuple", "a list")
    given = mistake.get("input")
    value = f", found {given!r}" if isinstance(given, str | int | float | bool) else ""
    if mistake["type"] == "value_error":
        value = ""
    return InputError(f"{message}{mask(value)}", file=file, row=row, column=name)


def _names_a_type(key: str | int) -> bool:
    """Tell pydantic's names of alternatives ("tuple[int, ...]", "function-before") from keys."""
    return isinstance(key, str) and bool(re.search(r"\[|^(literal|function)\b|^constrained-", key))


def known_keys(keys: Sequence[str | int]) -> list[str]:
    """List the keys that may stand at a place of the project file."""
    model: type[BaseModel] | None = Project
    for key in keys:
        if isinstance(key, int) or model is None:
            continue
        field = model.model_fields.get(key)
        model = _model_in(field.annotation) if field else None
    names = model.model_fields if model else {}
    return [name for name in names if name != "folder"]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Find the section type inside an annotation such as tuple[EventsSection, ...]."""
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return annotation if issubclass(annotation, BaseModel) else None
    return next((m for m in map(_model_in, get_args(annotation)) if m), None)


def line_of(text: str, keys: Sequence[str | int]) -> int | None:
    """Find the line of a key, or of the section that should hold it; None for neither."""
    names = [str(key) for key in keys if isinstance(key, str)]
    numbers = [key for key in keys if isinstance(key, int)]
    best: int | None = None
    deepest = -1
    for number, path, counts in _walk(text):
        depth = next((i for i, (a, b) in enumerate(zip(path, names, strict=False)) if a != b), None)
        depth = min(len(path), len(names)) if depth is None else depth
        right = all(seen == wanted for seen, wanted in zip(counts, numbers, strict=False))
        if depth > deepest and depth == len(path) and depth > 0 and right:
            best, deepest = number, depth
    return best


def _walk(text: str) -> Iterator[tuple[int, list[str], list[int]]]:
    """Walk the lines that open a section or a key: (line, names, positions in arrays of tables)."""
    section: list[str] = []
    counts: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        start = line[:500]  # a name is short; a line need not be
        head = re.match(r"\s*\[(\[)?\s*([^\]]+?)\s*\]", start)
        pair = re.match(r'\s*("?)([A-Za-z0-9_.# -]+?)\1\s*=', start)
        if head:
            section = [part.strip().strip('"') for part in head[2].split(".")]
            if head[1]:
                name = ".".join(section)
                counts[name] = counts.get(name, -1) + 1
        elif not pair:
            continue
        path = section if head else [*section, *pair[2].split(".")] if pair else section
        prefixes = (".".join(section[: i + 1]) for i in range(len(section)))
        yield number, path, [counts[p] for p in prefixes if p in counts]


def _check_zone(project: Project, file: str, text: str) -> None:
    """Refuse a time zone that does not exist."""
    try:
        ZoneInfo(project.project.timezone)
    except Exception:
        raise InputError(
            f"unknown time zone {project.project.timezone!r}",
            file=file,
            row=line_of(text, ("project", "timezone")),
            column="project.timezone",
            cure='write "UTC" or a name such as "Europe/Rome"',
        ) from None


def _check_entity(project: Project, file: str, text: str) -> None:
    """Refuse the name of a CRM's table that is none, such as a statement."""
    if not re.fullmatch(ENTITY, project.write_back.entity):
        raise InputError(
            f"is no name of a table: {project.write_back.entity!r:.60}",
            file=file,
            row=line_of(text, ("write_back", "entity")),
            column="write_back.entity",
            cure="letters, digits, _, - and $, parts joined by a dot: sales.leads",
        )


def _check_sources(project: Project, file: str) -> None:
    """Refuse schemes that are no source and hosts that [network] does not allow."""
    for key, uri in sources_of(project):
        scheme = scheme_of(uri)
        if not scheme:
            continue
        kind = scheme.partition("+")[0]
        if kind not in (*DATABASES, SCHEME):
            kinds = ", ".join(each + "://" for each in (SCHEME, *DATABASES))
            cure = f"give a path, a glob or {kinds}"
            raise InputError(f"{scheme}: is no source", file=file, column=key, cure=cure)
        if kind in ("postgresql", "mysql", SCHEME):
            require = require_named_store if kind == SCHEME else require_named
            try:
                require(uri, project.network.allow)
            except InputError as error:
                raise InputError(error.cause, file=file, column=key, cure=error.cure) from None


def sources_of(project: Project) -> Iterator[tuple[str, str]]:
    """Yield (dotted key, source) of every table that the project file names."""
    for label, table in declared_tables(project):
        yield ".".join(map(str, (*place_of(label), "source"))), table.source or ""
