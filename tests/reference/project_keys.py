"""The types of the project file -> its JSON Schema, and the page that lists every key."""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Iterator, Mapping
from itertools import pairwise
from textwrap import dedent
from typing import Any, Final, NamedTuple

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import CoreSchema

from data.schema import Project
from data.schema_types import Section
from tests.reference.tables import code, table

Json = Mapping[str, Any]
NEVER_WRITTEN: Final = "folder"
"""The loader sets it: where relative paths start."""
KINDS: Final = {
    "column": "column",
    "source": "path, glob or URI",
    "moment": "date or time",
    "duration": "duration",
    "rule": "[rule](rules.md)",
    "environment-variable": "environment variable",
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "`true` or `false`",
}
SYMBOLS: Final = {
    "minimum": "≥",
    "exclusiveMinimum": ">",
    "maximum": "≤",
    "exclusiveMaximum": "<",
}


class AsToml(GenerateJsonSchema):
    """JSON Schema of what TOML can say: it has no null, and keys need no second title."""

    def generate(self, schema: CoreSchema, mode: JsonSchemaMode = "validation") -> JsonSchemaValue:
        """Make the schema, and tidy all of it."""
        made = super().generate(schema, mode)
        _describe(made)
        made["properties"].pop(NEVER_WRITTEN)
        made["title"] = "The project file of leadscore"
        made["description"] = "One data source and one conversion."
        return {"$schema": self.schema_dialect, **_tidied(made)}


def described_keys(section: type[Section]) -> dict[str, str]:
    """Read what stands below each key of a section, those that it inherits included."""
    words: dict[str, str] = {}
    for each in reversed(section.__mro__):
        if each is Section or not issubclass(each, Section):
            continue
        (defined,) = ast.parse(dedent(inspect.getsource(each))).body
        assert isinstance(defined, ast.ClassDef)
        for key, below in pairwise(defined.body):
            if isinstance(key, ast.AnnAssign) and isinstance(below, ast.Expr):
                assert isinstance(key.target, ast.Name)
                words[key.target.id] = inspect.cleandoc(ast.literal_eval(below.value))
    return words


def _describe(made: JsonSchemaValue) -> None:
    """Put the words of each key into the JSON Schema."""
    sections = {each.__name__: each for each in _below(Section)}
    for name, schema in ((Project.__name__, made), *made["$defs"].items()):
        for key, words in described_keys(sections[name]).items():
            said = {**schema["properties"][key], "description": words}
            schema["properties"][key] = dict(sorted(said.items()))


def _below(section: type[Section]) -> Iterator[type[Section]]:
    for each in section.__subclasses__():
        yield each
        yield from _below(each)


def _tidied(value: Any) -> Any:
    if isinstance(value, list):
        return [_tidied(each) for each in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _tidied(each) for key, each in value.items()}
    if isinstance(kept.get("properties"), dict):
        for each in kept["properties"].values():
            each.pop("title", None)
    if "anyOf" in kept:
        some = [each for each in kept.pop("anyOf") if each != {"type": "null"}]
        kept = {**kept, **some[0]} if len(some) == 1 else {"anyOf": some, **kept}
    if kept.get("default", 0) is None:
        del kept["default"]
    if isinstance(kept.get("description"), str):
        kept["description"] = " ".join(kept["description"].split())
    return kept


def json_schema() -> dict[str, Any]:
    """Give the JSON Schema of the project file."""
    return Project.model_json_schema(schema_generator=AsToml)


def schema_text() -> str:
    """Give the JSON Schema as the text of its file."""
    return json.dumps(json_schema(), ensure_ascii=False, indent=2) + "\n"


class Part(NamedTuple):
    """A section of the project file: its header in TOML, its words, its keys."""

    header: str
    path: str
    about: str
    keys: Mapping[str, Json]
    needed: frozenset[str]


def parts() -> Iterator[Part]:
    """Yield every section in the order of the types, each before those inside it."""
    schema = json_schema()
    for name, each in schema["properties"].items():
        yield from _parts_in(schema, each, name, "")


def _parts_in(schema: Json, value: Json, name: str, above: str) -> Iterator[Part]:
    found = _section(schema, value)
    if found is None:
        return
    path = f"{above}{name}"
    brackets = f"[[{path}]]" if value.get("type") == "array" else f"[{path}]"
    yield Part(
        brackets,
        path,
        found.get("description", ""),
        found["properties"],
        frozenset(found.get("required", ())),
    )
    for key, each in found["properties"].items():
        yield from _parts_in(schema, each, key, f"{path}.")


def _section(schema: Json, value: Json) -> Json | None:
    """Follow a reference to a section, also through a list of them."""
    reference = value.get("$ref") or value.get("items", {}).get("$ref")
    found: Json | None = reference and schema["$defs"][reference.rpartition("/")[2]]
    return found


def page() -> str:
    """Write a section of the page for each section of the project file."""
    schema, lines = json_schema(), list[str]()
    for part in parts():
        lines += [f"## `{part.header}`", "", part.about, ""]
        rows = [
            row(part, key, each)
            for key, each in part.keys.items()
            if _section(schema, each) is None
        ]
        inner = [
            f"[`{each.header}`](#{each.path.replace('.', '').lower()})"
            for each in parts()
            if each.path.rpartition(".")[0] == part.path
        ]
        lines += table(("key", "what it says", "type", "default", "example"), rows) if rows else []
        lines += ["", f"Inside it: {', '.join(inner)}."] if inner else []
        lines += [""]
    return "\n".join(lines)


def row(part: Part, key: str, value: Json) -> tuple[str, ...]:
    """Write one key: name, meaning, type with unit, default, example."""
    needed = key in part.needed
    default = "needed" if needed else code(toml(value["default"])) if _has_default(value) else ""
    return code(key), value["description"], kind(value), default, code(example(part, key, value))


def _has_default(value: Json) -> bool:
    return value.get("default") not in (None, [], {}, "")


def example(part: Part, key: str, value: Json) -> str:
    """Write the example of a key, or its default, as a line of TOML."""
    if "examples" not in value and "default" not in value:
        raise ValueError(f"{part.path}.{key} has neither an example nor a default to show")
    return f"{key} = {toml(value['examples'][0] if 'examples' in value else value['default'])}"


def kind(value: Json) -> str:
    """Say what may be written: the type in words, its limits, its unit."""
    if "anyOf" in value:
        return " or ".join(kind(each) for each in value["anyOf"])
    if "enum" in value:
        return " or ".join(code(toml(each)) for each in value["enum"])
    if value.get("type") == "array":
        return f"list of {kind(value['items'])}"
    if value.get("type") == "object":
        return f"table of {kind(value['additionalProperties'])}"
    words = KINDS[value.get("format", value["type"])]
    limits = [f"{sign} {value[name]}" for name, sign in SYMBOLS.items() if name in value]
    unit = f", {value['x-unit']}" if "x-unit" in value else ""
    return f"{words} {' and '.join(limits)}".strip() + unit


def toml(value: object) -> str:
    """Write a value as TOML, on one line."""
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{_key(str(name))} = {toml(each)}" for name, each in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml(each) for each in value)}]"
    return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() else json.dumps(name)
