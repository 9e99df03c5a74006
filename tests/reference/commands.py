"""The command line -> the page of the documentation that lists every verb and every option."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import Any, Final

import typer.main

from tests.reference.tables import code, table

KINDS: Final = {"int": "NUMBER", "float": "NUMBER", "Path": "PATH", "path": "PATH"}


def commands() -> dict[str, Any]:
    """Map every verb ("train", "experiment power") to its command."""
    from serving.cli.app import app

    return dict(_walk(typer.main.get_command(app), ""))


def _walk(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield path, command
        return
    for name, child in children.items():
        yield from _walk(child, f"{path} {name}".strip())


def page() -> str:
    """Write one section for each verb: what it does, an example, arguments and options."""
    return "\n".join(line for path, command in commands().items() for line in _verb(path, command))


def _verb(path: str, command: Any) -> list[str]:
    text, _, example = (command.help or "").partition("Example:")
    arguments = " ".join(_metavar(each) for each in command.params if _is_argument(each))
    lines = [f"## `leadscore {path}`", "", *re.split(r"\n(?=\n)", text.strip()), ""]
    lines += [f"Usage: `leadscore {path}{arguments and ' ' + arguments} [OPTIONS]`", ""]
    lines += [f"Example: {code(' '.join(example.split()))}", ""] if example else []
    rows = [_row(each) for each in command.params if each.name != "help"]
    return [*lines, *table(("argument or option", "what it says", "default"), rows), ""]


def _row(parameter: Any) -> tuple[str, str, str]:
    if _is_argument(parameter):
        name = code(_metavar(parameter))
    else:
        kind = "" if parameter.is_flag else f" {_metavar(parameter)}"
        name = code(max(parameter.opts, key=len) + kind)
    words = [(parameter.help or "").replace("<", "&lt;")]
    if getattr(parameter, "multiple", False):
        words.append("May be given several times.")
    if parameter.envvar:
        words.append(f"Or the environment variable {code(str(parameter.envvar))}.")
    return name, " ".join(word for word in words if word), _default(parameter)


def _default(parameter: Any) -> str:
    if parameter.required:
        return "needed"
    value = parameter.default
    if value is None or value is False or callable(value) or value in ("", (), []):
        return ""
    return code(str(value.value if isinstance(value, Enum) else value))


def _is_argument(parameter: Any) -> bool:
    return str(parameter.param_type_name) == "argument"


def _metavar(parameter: Any) -> str:
    """Name what is to be given: as declared, one of some words, or a kind of value."""
    if parameter.metavar or _is_argument(parameter):
        return str(parameter.metavar or parameter.name.upper())
    kind = str(parameter.bare_type())
    choices = re.findall(r"'([^']*)'", kind)
    return "|".join(choices) or KINDS.get(kind.removeprefix("list[").removesuffix("]"), "TEXT")
