"""A project file is read whole or refused in one line that names file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.errors import InputError
from data.project import load_project
from data.schema import Project
from data.schema_types import DUMPED

GOOD = """
[project]
name = "acme"

[leads]
source = "leads.csv"
id = "lead_id"
created_at = "created_at"

[[events]]
source = "touches.csv"
lead = "lead_id"
at = "at"
type = ["kind"]

[conversion]
event = "won"
horizon = "90d"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "acme.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_good_file_is_read(tmp_path: Path) -> None:
    project = load_project(write(tmp_path, GOOD))
    assert project.conversion.horizon == 90 * 86_400_000_000
    assert project.folder == str(tmp_path.resolve())


def test_a_project_that_was_dumped_is_read_back_the_same(tmp_path: Path) -> None:
    project = load_project(write(tmp_path, GOOD))
    dumped = project.model_dump(mode="json")  # as artifacts hold it: durations in microseconds
    assert Project.model_validate(dumped, context=DUMPED) == project


def test_overrides_are_dotted_keys(tmp_path: Path) -> None:
    project = load_project(
        write(tmp_path, GOOD), overrides={"train.seed": 7, "events.0.at": "when"}
    )
    assert project.train.seed == 7
    assert project.events[0].at == "when"


@pytest.mark.parametrize(
    ("change", "into", "expected"),
    [
        ('id = "lead_id"', 'idd = "lead_id"', ["row 7", "leads.idd", "did you mean 'id'"]),
        ('at = "at"', 'att = "at"', ["events.0.att", "unknown key", "'at'"]),
        # nothing ever read it, so a project that sets it is told
        ("[conversion]", "[train]\nuse_immature = true\n\n[conversion]", ["train.use_immature"]),
        ('"90d"', "90", ["conversion.horizon", "is no duration: 90; write 90d"]),
        ('"90d"', '"90d"\nsnapshots = [1, 7]', ["conversion.snapshots.0", "is no duration: 1;"]),
        ('"90d"', '"90d"\n[retention]\nruns = 400', ["retention.runs", "is no duration: 400"]),
        ("[conversion]", "[convertion]", ["convertion", "did you mean 'conversion'"]),
        ('horizon = "90d"', 'horizon = "90"', ["conversion.horizon", "90d, 12h"]),
        ('horizon = "90d"', "", ["conversion.horizon is needed"]),
        ('event = "won"', "", ["exactly one of", "none"]),
        ('name = "acme"', "name = 3", ["project.name", "string"]),
        ("[conversion]", "[write-back]\nx = 1\n\n[conversion]", ["row 16", "mean 'write_back'"]),
        ('event = "won"', "event = 5", ["column conversion.event: should be a list, found 5"]),
        ('event = "won"', 'event = "won"\nsnapshots = ["x"]', ["snapshots.0", "no duration: 'x'"]),
        ('event = "won"', 'event = "won"\nwhere = "f(stage)"', ["conversion.where", "calls"]),
        (
            'name = "acme"',
            'name = "acme"\nname = "b"',
            ["row 4", "'name' stands there"],
        ),
        ('name = "acme"', 'name = "acme', ["TOML", "line 3"]),
        (
            'name = "acme"',
            'name = "acme"\ntimezone = "Mars"',
            ["time zone 'Mars'", "project.timezone"],
        ),
        ('source = "leads.csv"', 'source = "${NOT_SET_HERE}/x.csv"', ["NOT_SET_HERE is not set"]),
        (
            'source = "leads.csv"',
            'source = "file:///etc/passwd"',
            ["leads.source", "file: is no source"],
        ),
        ('source = "leads.csv"', 'source = "gopher://x/y"', ["gopher: is no source"]),
        ('source = "leads.csv"', 'source = "gs://bucket/x.csv"', ["gs: is no source", "s3://"]),
        (
            'source = "leads.csv"',
            'source = "s3://bucket/x.csv"',
            ["leads.source", "s3.us-east-1.amazonaws.com", "not allowed"],
        ),
        ('source = "leads.csv"', 'source = "s3://ann:s3cret@bucket/x.csv"', ["names no object"]),
        (
            'source = "leads.csv"',
            'source = "postgresql://ann:s3cret@db/crm"\nquery = "select 1"',
            ["leads.source", "host 'db' is not allowed", "[network] allow"],
        ),
    ],
)
def test_each_mistake_is_one_line(
    tmp_path: Path, change: str, into: str, expected: list[str]
) -> None:
    with pytest.raises(InputError) as caught:
        load_project(write(tmp_path, GOOD.replace(change, into, 1)))
    message = str(caught.value)
    assert "\n" not in message
    assert "s3cret" not in message
    assert caught.value.exit_code == 2
    for part in expected:
        assert part in message


def test_the_line_of_an_unknown_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"acme\.toml, row 13, column events\.0\.att"):
        load_project(write(tmp_path, GOOD.replace('at = "at"', 'att = "at"')))


def test_a_missing_file_names_its_neighbour(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    with pytest.raises(InputError, match=r"did you mean acme\.toml"):
        load_project(tmp_path / "acmee.toml")


def test_a_huge_file_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    path = tmp_path / "acme.toml"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    with pytest.raises(InputError, match="at most 1,000,000"):
        load_project(path)


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        load_project(write(tmp_path, "x = " + "[" * 20_000 + "]" * 20_000))
