"""The sixty bad inputs of the design, one by one: what is not tried here, another test tries.

`ELSEWHERE` says which test proves which row; the other rows have a test that bears their number,
here (the report, names for SQL), in test_sixty_bad_inputs_of_a_company.py (artifact, hosts,
canaries) or in serving/test_sixty_bad_inputs_when_scoring.py (requests, odd columns, where results
go). Real parts only.
"""

from __future__ import annotations

import ast
import html.parser
import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pandas as pd
import pytest

from data.errors import InputError
from data.project import check_project
from data.reading.read_tables import read_with_notes
from data.reading.sources import read_source
from data.schema_steps import WriteBackSection
from data.schema_types import Source
from serving.crm.connectors import connect
from serving.crm.interface import Update
from serving.crm.sqlite.writer import SqliteCrm
from serving.worklist.html import render
from tests.fakes.hostile_view import make_hostile_view

ROOT = Path(__file__).resolve().parents[1]

TABLES = "tests/data/reading/test_bad_tables.py::"
SOURCES = "tests/data/reading/test_sources.py::"
PROJECT = "tests/data/test_project_file.py::"
CLOCK = "tests/data/test_reading_the_clock.py::"
ARTIFACT = "tests/models/test_artifact.py::"
PREDICTOR = "tests/models/test_predictor.py::"
SHEETS = "tests/serving/worklist/test_sheets_and_delivery.py::"
BROWSER = "tests/serving/worklist/test_report_in_chromium.py::"
HTTP = "tests/serving/test_http.py::"
CLOUD = "tests/serving/crm/test_cloud_contracts.py::"
CRM = "tests/serving/writeback/test_write_back.py::"
REGISTRY = "tests/training/test_registry.py::"
HOSTILE = BROWSER + "test_a_hostile_world_executes_nothing_and_breaks_no_layout"
ELSEWHERE: dict[int, tuple[str, ...]] = {
    1: (
        SHEETS + "test_bad_input_1_and_2_formulas_are_guarded_in_raw_bytes",
        CRM + "test_a_formula_becomes_text_and_reads_back",
    ),
    2: (
        SHEETS + "test_bad_input_1_and_2_formulas_are_guarded_in_raw_bytes",
        CRM + "test_a_formula_becomes_text_and_reads_back",
    ),
    3: (
        SHEETS + "test_bad_input_3_numbers_and_ids_stay_as_they_are",
        CRM + "test_a_csv_for_a_spreadsheet_holds_ids_and_numbers_as_they_are",
    ),
    4: (HOSTILE,),
    5: (HOSTILE,),
    7: (HOSTILE,),
    11: (SOURCES + "test_a_broken_csv_names_the_line",),
    12: (
        SOURCES + "test_awkward_column_names_are_taken_as_they_are",
        "tests/data/rules/test_expressions.py::test_a_hostile_column_name_and_a_hostile_value_are_only_a_name_and_a_value",
    ),
    17: (ARTIFACT + "test_what_was_touched_is_refused_by_name",),
    20: (ARTIFACT + "test_what_was_touched_is_refused_by_name",),
    21: (
        PREDICTOR + "test_a_frame_that_does_not_fit_is_refused_by_name",
        PREDICTOR + "test_a_frame_of_another_catalogue_is_refused",
    ),
    23: (
        PROJECT + "test_each_mistake_is_one_line",
        PROJECT + "test_a_huge_file_is_refused_before_it_is_parsed",
    ),
    24: (
        PREDICTOR + "test_json_that_is_no_plain_object_is_refused",
        HTTP + "test_a_bad_body_is_refused_with_its_place",
        PROJECT + "test_deep_nesting_is_refused",
    ),
    25: (
        PROJECT + "test_each_mistake_is_one_line",
        PROJECT + "test_the_line_of_an_unknown_key_is_named",
    ),
    28: (
        "tests/data/test_network.py::test_any_other_host_is_refused_in_one_line_with_a_cure",
        "tests/data/test_network.py::test_no_connector_walks_around_the_list",
        CLOUD + "test_a_redirect_is_not_followed",
    ),
    29: (PROJECT + "test_each_mistake_is_one_line",),
    30: ("tests/data/test_private.py::test_passwords_are_masked",),
    31: (
        HTTP + "test_a_body_over_a_megabyte_or_compressed_is_refused",
        HTTP + "test_an_endless_body_without_a_length_is_cut_off",
    ),
    32: (HTTP + "test_two_hundred_slow_sockets_do_not_stop_a_healthy_request",),
    33: (
        HTTP + "test_no_key_wrong_key_and_key_in_the_address_are_refused",
        HTTP + "test_keys_are_kept_as_hashes_and_found_by_name",
    ),
    34: (HTTP + "test_too_many_leads_are_refused",),
    35: (HTTP + "test_a_body_over_a_megabyte_or_compressed_is_refused",),
    36: (HTTP + "test_a_bad_body_is_refused_with_its_place",),
    39: (HTTP + "test_unknown_ways_in_are_refused_without_a_trace",),
    40: (HTTP + "test_length_and_chunks_together_are_no_request",),
    41: (HTTP + "test_too_many_requests_are_told_when_to_come_back",),
    42: (TABLES + "test_each_bad_table_is_one_line",),
    43: (
        "tests/training/test_run.py::test_one_class_and_no_mature_rows_are_too_few_outcomes_with_numbers",
        "tests/models/fit/test_learner.py::"
        "test_with_hardly_any_outcome_every_lead_gets_the_base_rate_or_a_refusal",
    ),
    45: (TABLES + "test_each_bad_table_is_one_line",),
    46: (TABLES + "test_each_bad_table_is_one_line", CLOCK + "test_mixed_offsets_are_seen"),
    47: (
        TABLES + "test_each_bad_table_is_one_line",
        CLOCK + "test_what_is_no_timestamp_is_marked",
        CLOCK + "test_declared_formats_are_read",
    ),
    48: (
        TABLES + "test_what_is_odd_but_not_wrong_is_noted_with_counts",
        TABLES + "test_one_timestamp_in_the_far_future_does_not_end_the_observation",
        TABLES + "test_each_bad_table_is_one_line",
    ),
    49: (TABLES + "test_each_bad_table_is_one_line",),
    50: (
        SOURCES + "test_numbers_in_another_spelling_are_refused",
        SOURCES + "test_columns_find_their_kind",
    ),
    51: (
        SOURCES + "test_csv_of_any_dialect_is_read",
        SOURCES + "test_gz_quotes_and_newlines_in_fields",
        SOURCES + "test_latin_1_is_named_or_read_as_declared",
    ),
    52: (SOURCES + "test_a_broken_csv_names_the_line",),
    54: (
        SOURCES + "test_ids_stay_as_they_are",
        SOURCES + "test_ids_that_pandas_made_floats_are_whole_again",
    ),
    58: (
        SOURCES + "test_parquet_of_every_type",
        SOURCES + "test_a_corrupt_parquet_is_named",
    ),
    60: (
        REGISTRY + "test_a_registry_that_can_not_be_reached_is_an_outside_fault",
        REGISTRY + "test_an_unknown_reference_is_an_error_and_never_another_version",
        REGISTRY + "test_without_a_champion_there_is_none_and_its_alias_is_an_error",
    ),
}


def functions_of(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_row_is_tried_here_or_by_a_test_that_exists() -> None:
    files = Path(__file__).parent.rglob("test_sixty_bad_inputs*.py")
    names = {name for file in files for name in functions_of(file)}
    here = {int(found[1]) for name in names if (found := re.match(r"test_bad_input_(\d+)", name))}
    assert here | set(ELSEWHERE) == set(range(1, 61))
    for file, name in {tuple(test.split("::")) for tests in ELSEWHERE.values() for test in tests}:
        assert name in functions_of(ROOT / file), f"{file}::{name}"


# --- 4 to 10: the report -------------------------------------------------------------------------


class Page(html.parser.HTMLParser):
    """What a browser would see: scripts that run, handlers, links, text."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts, self.handlers, self.links, self.text = 0, [], [], []
        self.policy = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.scripts += tag == "script" and given.get("type") is None
        self.handlers += [name for name in given if name.startswith("on")]
        self.links += [given[name] or "" for name in ("href", "src") if name in given]
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"] or ""

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(scope="module")
def hostile() -> tuple[str, Page]:
    text = render(make_hostile_view(), "en")
    page = Page()
    page.feed(text)
    return text, page


def test_bad_input_04_script_in_a_name_is_no_script(hostile: tuple[str, Page]) -> None:
    assert hostile[1].scripts == 1  # ours


def test_bad_input_05_a_broken_out_attribute_has_no_handler_and_nothing_may_load(
    hostile: tuple[str, Page],
) -> None:
    assert hostile[1].handlers == []
    assert "default-src 'none'" in hostile[1].policy


def test_bad_input_06_only_anchors_mail_and_the_crm_are_links(hostile: tuple[str, Page]) -> None:
    """Two addresses are of the project file: the CRM, where an id is one escaped part, and ours."""
    view = make_hostile_view()
    before = (view.about.crm_link or "").removesuffix("{lead_id}")
    assert before == "https://crm.example.com/leads/"
    ids = {quote(lead.lead_id, safe="", errors="replace") for lead in view.leads}
    links = hostile[1].links
    crm = [link for link in links if link.startswith(before)]
    assert len(crm) > 20
    for link in crm:
        assert link.removeprefix(before) in ids
        assert re.fullmatch(r"[A-Za-z0-9_.~%-]+", link.removeprefix(before))
    others = {link[:1] if link.startswith("#") else link for link in links if link not in crm}
    assert others <= {"#", "mailto:", "https://leads.example.com/"}
    without = Page()
    about = replace(view.about, crm_link=None, live_link=None)
    without.feed(render(replace(view, about=about), "en"))
    assert {link[:1] for link in without.links if link != "mailto:"} == {"#"}


def test_bad_input_08_templates_are_printed_as_they_are(hostile: tuple[str, Page]) -> None:
    shown = "".join(hostile[1].text)
    assert "{{7*7}}" in shown
    assert "${7*7}" in shown


def test_bad_input_09_svg_in_a_label_is_text(hostile: tuple[str, Page]) -> None:
    assert "<svg onload" not in hostile[0]
    assert "&lt;svg onload" in hostile[0]


def test_bad_input_10_direction_marks_are_taken_out_or_shown(hostile: tuple[str, Page]) -> None:
    assert not [mark for mark in "\u202e\u2066\u2067\u200b" if mark in hostile[0]]
    assert "<bdi>" in hostile[0]


# --- 13 to 15: names and values for SQL ----------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [b"a\x00b", b"", b"x" * 300, b'say "so"', b"select", b"id"],
    ids=["nul", "empty", "300", "quotes", "select", "twice"],
)
def test_bad_input_13_odd_column_names_are_read_or_refused_by_name(
    tmp_path: Path, header: bytes
) -> None:
    quoted = b'"' + header.replace(b'"', b'""') + b'"'
    (tmp_path / "a.csv").write_bytes(b"id," + quoted + b"\n1,2\n")
    static = {
        "project": {"name": "t"},
        "leads": {"source": "a.csv", "id": "id", "converted": "y"},
        "conversion": {},
        "folder": str(tmp_path),
    }
    project = check_project(static)
    if header in (b"a\x00b", b"x" * 300, b"id"):
        with pytest.raises(InputError, match=r"^a\.csv, row 1, column"):
            read_source(Source(source="a.csv"), project)
        return
    table = read_source(Source(source="a.csv"), project).table
    assert table.column_names == ["id", header.decode() or "column 2"]


@pytest.fixture
def little_crm(tmp_path: Path) -> Path:
    path = tmp_path / "crm.db"
    with closing(sqlite3.connect(path)) as crm, crm:
        crm.execute(
            "create table leads (lead_id text primary key, score int, band text, as_of text)"
        )
        crm.executemany("insert into leads (lead_id) values (?)", [("a",), ("b",), ("c",)])
    return path


def test_bad_input_14_a_table_that_is_a_statement_is_refused(little_crm: Path) -> None:
    section = WriteBackSection(
        crm="sqlite", url=f"sqlite:///{little_crm}", entity="leads; delete", key="lead_id"
    )
    with pytest.raises(InputError):
        connect(section, little_crm.parent)
    with closing(sqlite3.connect(little_crm)) as crm:
        assert crm.execute("select count(*) from leads").fetchone() == (3,)


def test_bad_input_15_sql_in_an_id_touches_no_row(little_crm: Path) -> None:
    crm = SqliteCrm(little_crm, fields={name: name for name in ("score", "band", "as_of")})
    assert crm.read_scores(["1' OR '1'='1"]) == {}
    crm.upsert([Update("1' OR '1'='1", {"score": 99, "band": "A", "as_of": "2026-01-01"}, None)])
    crm.close()
    with closing(sqlite3.connect(little_crm)) as rows:
        assert rows.execute("select count(*) from leads where score = 99").fetchone()[0] <= 1
        assert rows.execute("select score from leads where lead_id = 'a'").fetchone() == (None,)


# --- 44: odd columns -----------------------------------------------------------------------------


def test_bad_input_44_empty_constant_and_unique_columns_do_not_reach_the_model(
    tmp_path: Path,
) -> None:
    n = 400
    rows = pd.DataFrame(
        {
            "id": [f"i{i}" for i in range(n)],
            "y": np.arange(n) % 4 == 0,
            "size": np.arange(n) % 7,
            "empty": [None] * n,
            "same": ["x"] * n,
            "token": [f"t{i}" for i in range(n)],
        }
    )
    static = {
        "project": {"name": "t"},
        "leads": {"source": "a.csv", "id": "id", "converted": "y"},
        "conversion": {},
        "folder": str(tmp_path),
    }
    project = check_project(static)
    reading = read_with_notes(project, frames={"leads": rows})
    assert {attribute.name for attribute in reading.tables.attributes} == {"size"}
    notes = "\n".join(reading.notes)
    assert "empty" in notes
    assert "column same: is the same in every row" in notes
    assert "column token: is different in every row" in notes
