"""The hash of what was read: whatever a correction changes, a training or a night sees."""

from __future__ import annotations

import tomllib
from typing import Any

import pandas as pd
import pytest

import leadscore as ls
from training.publish import data_fingerprint

BORN = ["2026-01-01", "2026-02-01", "2026-03-01"]
TABLES: dict[str, dict[str, list[Any]]] = {
    "leads": {
        "id": ["a", "b", "c"],
        "born": BORN,
        "kept": BORN,
        "won": [None, "2026-02-20", None],
        "name": ["Ann", "Bo", "Cy"],
        "size": [1.0, None, 3.5],
        "branch": ["x", None, "y"],
        "stage": ["new", "new", "old"],
        "budget": [10.0, None, 20.0],
        "asked": ["2026-01-05", None, "2026-03-05"],
    },
    "history.0": {
        "id": ["c", "c"],
        "field": ["stage", "stage"],
        "old": ["new", "won"],
        "new": ["won", "old"],
        "at": ["2026-03-09", "2026-03-10"],
    },
    "events.0": {
        "id": ["a", "b", "b", "b"],
        "at": ["2026-01-02", "2026-02-03", "2026-02-04", "2026-03-20"],
        "kept": ["2026-01-02", "2026-02-03", "2026-02-05", "2026-03-20"],
        "what": ["call", "visit", "call", "call"],
        "channel": ["phone", "web", "phone", "web"],
        "campaign": ["spring", None, None, None],
        "person": ["p1", "p2", "p2", "p1"],
        "way": ["outbound", "inbound", "inbound", "inbound"],
        "worth": [1.0, 2.0, 3.0, 4.0],
    },
    "value": {"id": ["b"], "at": ["2026-02-25"], "amount": ["12.50"]},
}
PROJECT = tomllib.loads("""
[project]
name = "small"
[leads]
id = "id"
created_at = "born"
recorded_at = "kept"
converted_at = "won"
name = "name"
fixed = ["size", "branch"]
known_at = { budget = "asked" }
history = [{ source = "h", lead = "id", field = "field", old = "old", new = "new", at = "at" }]
[[events]]
lead = "id"
at = "at"
recorded_at = "kept"
type = ["what"]
channel = "channel"
campaign = "campaign"
person = "person"
direction = "way"
value = "worth"
[conversion]
horizon = "30d"
[value]
source = "v"
lead = "id"
at = "at"
amount = "amount"
""")


def fingerprint(table: str = "", column: str = "", row: int = 0, value: object = None) -> str:
    frames = {name: pd.DataFrame(columns) for name, columns in TABLES.items()}
    if table:
        cells = frames[table][column].tolist()
        frames[table][column] = [*cells[:row], value, *cells[row + 1 :]]
    crm = ls.read(PROJECT, frames=frames)._reading
    return data_fingerprint(crm.tables, crm.outcomes)


def test_equal_data_have_an_equal_hash() -> None:
    assert fingerprint() == fingerprint()


@pytest.mark.parametrize(
    ("table", "column", "row", "value"),
    [
        ("leads", "id", 0, "d"),
        ("leads", "born", 0, "2025-12-30"),
        ("leads", "kept", 0, "2026-01-02"),
        ("leads", "won", 1, "2026-02-21"),
        ("leads", "name", 0, "Anna"),
        ("leads", "size", 1, 2.0),
        ("leads", "branch", 0, "z"),
        ("leads", "budget", 0, 11.0),
        ("leads", "asked", 0, "2026-01-06"),
        ("history.0", "new", 0, "lost"),
        ("history.0", "at", 0, "2026-03-08"),
        ("events.0", "id", 1, "a"),
        ("events.0", "at", 0, "2026-01-03"),
        ("events.0", "kept", 0, "2026-01-03"),
        ("events.0", "what", 1, "visits"),
        ("events.0", "channel", 0, "web"),
        ("events.0", "campaign", 0, "autumn"),
        ("events.0", "person", 0, "p2"),
        ("events.0", "way", 0, "inbound"),
        ("events.0", "worth", 0, 1.5),
        ("value", "at", 0, "2026-02-26"),
        ("value", "amount", 0, "12.60"),
    ],
)
def test_whatever_is_corrected_changes_the_hash(
    table: str, column: str, row: int, value: object
) -> None:
    assert fingerprint(table, column, row, value) != fingerprint()
