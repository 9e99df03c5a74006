"""A company with an address in every column of text: nothing but reports and lists may show one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.private import hide_contacts
from data.world import make_world, write_world
from tests.golden.product import leadscore

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "software_trial.toml"
KEYS = {"lead_id", "account_id", "contact_id", "field", "direction"}
"""Columns that name rows or roles."""
BIRD = "@aviary-9731.example"


def with_canaries(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Put one address of its own, alone or within a text, into a third of each text column."""
    rng = np.random.default_rng(5)
    for column in table.columns:
        if column in KEYS or not pd.api.types.is_string_dtype(
            table[column].dropna().infer_objects()
        ):
            continue
        rows = rng.random(len(table)) < 0.3
        words = table[column].astype(object)
        usual = str(words.dropna().iloc[0]) if words.notna().any() else "x"
        address = f"{name}.{column}{BIRD}"
        words[rows] = np.where(rng.random(rows.sum()) < 0.5, address, f"{usual} by {address}, late")
        if column == "email":  # leads with one address are one person
            words[rows] = [f"{row}.{column}{BIRD}" for row in np.flatnonzero(rows)]
        table[column] = words
    return table


def contents(folder: Path) -> dict[str, bytes]:
    """Read every file of a folder; Parquet as text, since its pages are compressed."""
    found = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    for name in [name for name in found if name.endswith(".parquet")]:
        found[name] += pq.read_table(folder / name).to_pandas().to_csv().encode()
    return found


@pytest.fixture(scope="module")
def aviary(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """Train, score, write back, monitor and evaluate by the commands."""
    folder = tmp_path_factory.mktemp("aviary")
    write_world(make_world("software_trial", 1500, 3), folder, project=EXAMPLE)
    project = folder / "aviary.toml"
    text = EXAMPLE.read_text(encoding="utf-8")
    segments = '[train]\nsegments = ["source", "country", "industry"]'
    project.write_text(text.replace("[train]", segments).replace('segments = ["source"]\n', ""))
    for path in sorted(folder.glob("*.parquet")):
        if path.stem != "opportunities":  # stages of deals decide what is a conversion
            with_canaries(pd.read_parquet(path), path.stem).to_parquet(path)
    state = ("--state", folder / "state")
    said = [
        leadscore("check", project),
        leadscore("train", project, "--fast", "--seed", "1", *state),
        leadscore("score", project, *state),
        leadscore("write-back", project, *state),
        leadscore("monitor", project, *state),
        leadscore("evaluate", project, *state),
        leadscore("evaluate", project, "--json", *state),
    ]
    return folder, said


def test_the_company_is_trained_scored_and_written_back(aviary: tuple[Path, list[Any]]) -> None:
    folder, said = aviary
    assert [each.code for each in said if each.code not in (0, 3)] == [], said
    assert (folder / "state" / "scores.parquet").is_file()


def test_no_file_of_the_state_folder_shows_an_address(aviary: tuple[Path, list[Any]]) -> None:
    folder, _ = aviary
    found = contents(folder / "state")
    assert len(found) > 20
    shows = {
        name: raw[max(0, at - 60) : at + 30]
        for name, raw in found.items()
        if (at := raw.find(BIRD.encode())) >= 0
    }
    assert shows == {}


def test_no_command_says_an_address(aviary: tuple[Path, list[Any]]) -> None:
    _, said = aviary
    assert [each.out + each.err for each in said if BIRD in each.out + each.err] == []


def test_an_address_within_a_text_is_hidden_and_the_text_is_not() -> None:
    given = [
        "Ann <ann@x.example>",
        "call +39 055 123456 now",
        "ab@c",
        "1 + 2",
        None,
        "MANY@X.EXAMPLE",
    ]
    shown = hide_contacts(pa.chunked_array([given])).to_pylist()
    assert shown[0].startswith("Ann <address ")
    assert shown[0].endswith(">")
    assert shown[1].startswith("call number ")
    assert shown[1].endswith(" now")
    assert shown[2:5] == ["ab@c", "1 + 2", None]
    assert shown[5].startswith("address ")
