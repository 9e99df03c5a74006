"""Whatever library a table comes from, the same is read of it and the same scores come out."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import leadscore as ls
from tests.leadscore.conftest import Trained
from training.publish import data_fingerprint

NOW = "2026-11-02"


def to_arrow(frame: pd.DataFrame) -> pa.Table:
    with warnings.catch_warnings():  # pyarrow, of what pandas 4 will do
        warnings.simplefilter("ignore")
        return pa.Table.from_pandas(frame, preserve_index=False)


LIBRARIES = {
    "pandas": lambda frame: frame,
    "polars": lambda frame: pl.from_arrow(to_arrow(frame)),
    "Arrow": to_arrow,
}


def given_as(company: ls.SimulatedCompany, convert: Callable[[pd.DataFrame], Any]) -> ls.CrmProject:
    frames = {
        name: [convert(each) for each in given] if isinstance(given, list) else convert(given)
        for name, given in company.frames.items()
    }
    return ls.read(company.project, **frames, threads=1)


def scores_of(model: ls.LeadModel, crm: ls.CrmProject) -> pd.DataFrame:
    return model.score(crm, now=NOW).drop(columns=["run_id", "model_version"])


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_kind_of_frame_is_read_as_the_files_are(
    trained: Trained, library: str, tmp_path: Path
) -> None:
    crm = given_as(trained.company, LIBRARIES[library])
    files = ls.read(trained.file, state=tmp_path, threads=1)  # no run before it, as in memory
    one, other = crm._reading, files._reading
    found = data_fingerprint(one.tables, one.outcomes)
    assert found == data_fingerprint(other.tables, other.outcomes)
    pd.testing.assert_frame_equal(
        scores_of(trained.model, crm), scores_of(trained.model, files), check_exact=True
    )


def test_missing_numbers_dictionaries_and_zones_are_the_same_in_every_library() -> None:
    leads = pd.DataFrame(
        {
            "id": [1, 2, 3, 4],
            "born": pd.to_datetime(
                ["2026-01-01", "2026-02-01", "2026-03-01", "2026-04-01"]
            ).tz_localize("Europe/Rome"),
            "won": [None, "2026-02-20", None, None],
            "size": [1.0, None, 3.5, float("nan")],
            "branch": pd.Categorical(["a", None, "b", "a"]),
            "vip": [True, False, None, True],
        }
    )
    project = {
        "project": {"name": "small"},
        "leads": {
            "id": "id",
            "created_at": "born",
            "converted_at": "won",
            "fixed": ["size", "branch", "vip"],
        },
        "conversion": {"horizon": "30d"},
    }
    prints = set()
    for convert in LIBRARIES.values():
        reading = ls.read(project, leads=convert(leads))._reading
        prints.add(data_fingerprint(reading.tables, reading.outcomes))
    assert len(prints) == 1


def test_what_is_no_table_or_has_no_place_is_named(trained: Trained) -> None:
    company = trained.company
    lazy = pl.LazyFrame({"lead_id": ["L1"]})
    with pytest.raises(ls.InputError, match=r"leads: is no table in memory but LazyFrame; .*lazy"):
        ls.read(company.project, **company.frames | {"leads": lazy})
    with pytest.raises(ls.InputError, match=r"frame 'join\.7' replaces nothing"):
        ls.read(company.project, **company.frames, frames={"join.7": company.tables["accounts"]})


def test_a_column_that_is_not_there_is_named_with_the_nearest_one(trained: Trained) -> None:
    leads = trained.company.tables["leads"].rename(columns={"country": "contry"})
    with pytest.raises(ls.InputError, match=r"leads, column country: .*did you mean 'contry'"):
        ls.read(trained.company.project, **trained.company.frames | {"leads": leads})


def test_a_dict_is_checked_as_a_file_is() -> None:
    with pytest.raises(ls.InputError, match="unknown key; did you mean 'leads'"):
        ls.read({"project": {"name": "x"}, "leeds": {"id": "id"}})
    with pytest.raises(ls.InputError, match="project file not found"):
        ls.read("nowhere.toml")


def test_a_section_without_a_table_is_named() -> None:
    leads = pd.DataFrame({"id": ["a"], "born": ["2026-01-01"], "won": [None]})
    project = {
        "project": {"name": "small"},
        "leads": {"id": "id", "created_at": "born", "converted_at": "won"},
        "events": [{"lead": "id", "at": "at", "type": "visit"}],
        "conversion": {"horizon": "30d"},
    }
    with pytest.raises(ls.InputError, match=r"^events\.0: has no table; give read\(…, events="):
        ls.read(project, leads=leads)
    with pytest.raises(ls.InputError, match=r"^leads: has no table"):
        ls.read(project)
    with pytest.raises(ls.InputError, match=r"^project: a path or a dict is needed, found DataF"):
        ls.read(leads)  # type: ignore[arg-type]


def test_an_index_that_has_a_name_is_a_column(trained: Trained) -> None:
    leads = trained.company.tables["leads"].set_index("lead_id")
    crm = ls.read(trained.company.project, **trained.company.frames | {"leads": leads}, threads=1)
    assert crm._reading.tables.lead_ids.tolist() == trained.crm._reading.tables.lead_ids.tolist()
