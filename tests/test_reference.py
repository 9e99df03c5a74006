"""What the documentation generates is current, and names every key, verb and public name."""

from __future__ import annotations

import inspect
import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import jsonschema
import pytest
from pydantic import TypeAdapter

import leadscore as ls
from data import schema as types
from data.project import known_keys, load_project
from data.schema import JSON_SCHEMA
from data.schema_types import Section
from data.world import project_file
from tests.reference import project_keys
from tests.reference.__main__ import ROOT, generated
from tests.reference.commands import commands

pytestmark = pytest.mark.checkout

PAGES = ROOT / "docs" / "reference"
EXAMPLES = [
    *sorted((ROOT / "examples").glob("*.toml")),
    *(project_file(kind) for kind in ("software_trial", "consulting", "digital_agency")),
]
SECTIONS = [
    each
    for each in vars(types).values()
    if inspect.isclass(each) and issubclass(each, Section) and each is not types.Project
]


def stated_keys(path: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the dotted keys that the loader names to somebody who mistypes one."""
    for name in known_keys(path):
        inside = (*path, name)
        yield ".".join(inside)
        yield from stated_keys(inside)


def schema_keys() -> Iterator[str]:
    """Yield the dotted keys of the JSON Schema."""
    for part in project_keys.parts():
        yield part.path
        yield from (f"{part.path}.{key}" for key in part.keys)


def test_generated_files_are_current() -> None:
    stale = [p.name for p, text in generated().items() if p.read_text("utf-8") != text]
    assert stale == [], "run `make reference`"


def test_the_json_schema_is_shipped_beside_the_types() -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(JSON_SCHEMA.read_text("utf-8")))


def test_loader_json_schema_and_page_have_the_same_keys() -> None:
    keys = set(stated_keys())
    assert keys == set(schema_keys())
    assert len(keys) > 180
    text = (PAGES / "project-file.md").read_text(encoding="utf-8")
    for part in project_keys.parts():
        section = text.partition(f"## `{part.header}`\n")[2].partition("\n## ")[0]
        named = [key for key in part.keys if f"| `{key}` |" in section]
        inner = [key for key in part.keys if f"{part.path}.{key}]" in section]
        assert {*named, *inner} == set(part.keys), part.header


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_says_what_it_means_and_shows_an_example_that_is_read(
    section: type[Section],
) -> None:
    schema, words = project_keys.json_schema(), project_keys.described_keys(section)
    for name, each in section.model_fields.items():
        assert words.get(name), name
        rule = schema["$defs"].get(section.__name__, {}).get("properties", {}).get(name)
        for example in each.examples or ():
            TypeAdapter(Annotated[each.annotation, each]).validate_python(example)
            if rule is not None:
                jsonschema.validate(example, {**rule, "$defs": schema["$defs"]})


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_file_is_as_the_json_schema_says(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADSCORE_DATA", os.environ.get("LEADSCORE_DATA", "elsewhere"))
    load_project(path)
    jsonschema.validate(tomllib.loads(path.read_text("utf-8")), project_keys.json_schema())


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("project", "nmae", "acme"),
        ("conversion", "horizon", "ninety days"),
        ("conversion", "snapshots", "daily"),
        ("score", "points_to_double", 0),
        ("report", "capacity_per_week", "many"),
    ],
)
def test_the_json_schema_refuses_what_the_loader_refuses(
    section: str, key: str, value: object
) -> None:
    project: dict[str, Any] = {
        "project": {"name": "acme"},
        "leads": {"source": "leads.csv", "id": "id", "created_at": "at", "converted_at": "won"},
        "conversion": {"horizon": "90d"},
    }
    schema = project_keys.json_schema()
    load_project(project)
    jsonschema.validate(project, schema)
    project[section] = {**project.get(section, {}), key: value}
    with pytest.raises(ls.InputError):
        load_project(project)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(project, schema)


def test_every_verb_has_a_section_with_its_options() -> None:
    text = (PAGES / "commands.md").read_text(encoding="utf-8")
    found = {each.partition("`")[0] for each in text.split("\n## `leadscore ")[1:]}
    assert found == set(commands())


def test_every_public_name_stands_on_the_page_of_the_package_once() -> None:
    text = (PAGES / "python.md").read_text(encoding="utf-8")
    shown = [
        line.split(":: leadscore.")[1] for line in text.splitlines() if ":: leadscore." in line
    ]
    assert sorted(shown) == sorted(ls.__all__)


def test_toml_is_written_as_it_is_read() -> None:
    value: Mapping[str, object] = {
        "text": 'a "b" \\ ü',
        "list": ["", "Select"],
        "inner": {"new script": 0.5, "on": True},
    }
    lines = "\n".join(f"{key} = {project_keys.toml(each)}" for key, each in value.items())
    assert tomllib.loads(lines) == value
