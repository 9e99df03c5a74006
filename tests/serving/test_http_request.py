"""The rows of a request are laid out by source, and none of them is left out unseen."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.errors import InputError
from data.project import load_project
from serving.http.api import Lead
from serving.http.request import request_tables

PROJECT = load_project(Path(__file__).resolve().parents[2] / "examples" / "software_trial.toml")
ROW = {"lead_id": "L-1"}


def test_every_source_of_the_project_gets_a_table() -> None:
    tables = request_tables(PROJECT, [Lead(attributes=ROW, events={"0": [{"touch_type": "call"}]})])
    assert set(tables) == {"leads", "events.0", "join.0", "history.0"}
    assert tables["events.0"].num_rows == 1


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"events": {"7": [{}]}}, "events: the project file has events 0 to 0, not 7"),
        ({"events": {"00": [{}]}}, "not 00"),
        ({"joined": {"1": {}}}, "joined: the project file has joined 0 to 0, not 1"),
    ],
)
def test_rows_of_a_source_that_is_not_there_are_refused(more: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        request_tables(PROJECT, [Lead(attributes=ROW, **more)])
