"""The sixty bad inputs of the design, one by one: what this file does not try, another one does.

`ELSEWHERE` says which test proves which row; the other rows have a test here that bears their
number. Real parts only: one small company, trained once, whose data hold an e-mail address and a
telephone number that nothing but its own tables may ever show.
"""

from __future__ import annotations

import ast
import asyncio
import hashlib
import html.parser
import json
import os
import re
import resource
import shutil
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from benchmarks.hostile_view import make_hostile_view
from data.errors import InputError, LeadScoreError, OutsideError
from data.files import write_text
from data.project import check_project
from data.read import read_tables, read_with_notes
from data.schema import NetworkSection, Source, WriteBackSection
from data.sources import read_source
from data.world import make_world, write_world
from features.build import build
from models.artifact import load_artifact
from serving.batch import score_leads, write_scores
from serving.crm.connect import connect
from serving.crm.seam import CrmError, Update
from serving.crm.sqlite import SqliteCrm
from serving.http.app import create_app
from serving.http.guard import Guard, Limits
from serving.http.keys import digest
from serving.http.service import Service
from serving.jobs import score_run, train_model
from serving.report.html import render
from serving.session import Session, open_session
from serving.views.leads import _detail
from serving.views.source import Source as Pages
from serving.writeback.run import write_back
from training.registry import Registry

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "software_trial.toml"
MAIL, PHONE, PASSWORD = "canary.bird@aviary-9731.example", "+39 055 97314242", "s3cr3t-9731"
NOW = 1_793_500_000_000_000

TABLES = "tests/data/test_bad_tables.py::"
SOURCES = "tests/data/test_sources.py::"
PROJECT = "tests/data/test_project_file.py::"
CLOCK = "tests/data/test_reading_the_clock.py::"
ARTIFACT = "tests/models/test_artifact.py::"
PREDICTOR = "tests/models/test_predictor.py::"
SHEETS = "tests/serving/report/test_sheets_and_delivery.py::"
BROWSER = "tests/serving/report/test_report_in_chromium.py::"
HTTP = "tests/serving/test_http.py::"
CLOUD = "tests/serving/writeback/test_cloud_contracts.py::"
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
        "tests/data/test_expressions.py::test_sql_binds_values_and_quotes_names",
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
        PROJECT + "test_only_named_hosts_are_reached",
        CRM + "test_hosts_that_are_not_named_are_refused_before_connecting",
        CLOUD + "test_a_redirect_is_not_followed",
    ),
    29: (PROJECT + "test_each_mistake_is_one_line",),
    30: (PROJECT + "test_passwords_are_masked",),
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
        TABLES + "test_one_class_and_no_mature_rows_are_refused_with_numbers",
        "tests/models/test_learner.py::"
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
    names = sorted(functions_of(Path(__file__)))
    here = {int(found[1]) for name in names if (found := re.match(r"test_bad_input_(\d+)", name))}
    assert here | set(ELSEWHERE) == set(range(1, 61))
    for file, name in {tuple(test.split("::")) for tests in ELSEWHERE.values() for test in tests}:
        assert name in functions_of(ROOT / file), f"{file}::{name}"


# --- one small company ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Company:
    file: Path
    session: Session
    reading: Any
    model: Any
    artifact: Path
    scored: Any
    said: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    """Train on leads of which forty bear the canaries: in e-mail, name, comment and country."""
    folder = tmp_path_factory.mktemp("canaries")
    write_world(make_world("software_trial", 1000, 11), folder, project=EXAMPLE)
    leads = pd.read_parquet(folder / "leads.parquet")
    leads.loc[:39, ["email", "person", "owner_comment"]] = [
        MAIL,
        f"Bird {PHONE}",
        f"{MAIL} {PHONE}",
    ]
    leads.loc[:39, "country"] = PHONE
    leads.loc[40:79, "country"] = MAIL
    leads.to_parquet(folder / "leads.parquet")
    said: list[str] = []
    session = open_session(folder / EXAMPLE.name, state=folder / "state", threads=1)
    reading = session.read()
    _, published = train_model(session, reading, fast=True, on_stage=said.append)
    assert published.version is not None
    model = session.model(published.version.version)
    scored = score_run(
        session, reading, model, as_of=reading.tables.observed_until, scored_at=NOW, run_id="n1",
        on_stage=said.append,
    )  # fmt: skip
    said.append(write_back(
        session.state.scores, session.project, session.state.folder, now=NOW, run_id="n1"
    ).summary)  # fmt: skip
    artifact = published.version.folder
    return Company(folder / EXAMPLE.name, session, reading, model, artifact, scored, said)


def rescore(company: Company, leads: pd.DataFrame) -> pd.DataFrame:
    """Score the company with another leads table."""
    tables, outcomes = read_tables(
        company.session.project, frames={"leads": leads}, kinds=company.model.kinds
    )
    return score_leads(
        company.session.project, tables, outcomes, company.model, as_of=company.scored.as_of,
        scored_at=NOW, run_id="n2",
    ).table  # fmt: skip


def own_leads(company: Company) -> pd.DataFrame:
    return pd.read_parquet(company.file.parent / "leads.parquet")


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


def test_bad_input_06_only_anchors_and_mail_are_links(hostile: tuple[str, Page]) -> None:
    assert {link[:1] if link.startswith("#") else link for link in hostile[1].links} <= {
        "#", "mailto:"
    }  # fmt: skip


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
    "header", [b"a\x00b", b"", b"x" * 300, b'say "so"', b"select", b"id"],
    ids=["nul", "empty", "300", "quotes", "select", "twice"],
)  # fmt: skip
def test_bad_input_13_odd_column_names_are_read_or_refused_by_name(
    tmp_path: Path, header: bytes
) -> None:
    quoted = b'"' + header.replace(b'"', b'""') + b'"'
    (tmp_path / "a.csv").write_bytes(b"id," + quoted + b"\n1,2\n")
    static = {
        "project": {"name": "t"}, "leads": {"source": "a.csv", "id": "id", "converted": "y"},
        "conversion": {}, "folder": str(tmp_path),
    }  # fmt: skip
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


# --- 16 to 22: the artifact ----------------------------------------------------------------------


@pytest.fixture
def copied(company: Company, tmp_path: Path) -> Path:
    return Path(shutil.copytree(company.artifact, tmp_path / "copy"))


def replace_file(folder: Path, name: str, raw: bytes) -> None:
    """Put other bytes in place and make the manifest agree with them."""
    (folder / name).write_bytes(raw)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = hashlib.sha256(raw).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def forest_of(folder: Path) -> str:
    return sorted(path.name for path in folder.glob("forest_*.txt"))[0]


def test_bad_input_16_a_pickle_is_no_model_and_is_not_opened(copied: Path, tmp_path: Path) -> None:
    trap = tmp_path / "opened"
    pickled = b"cos\nsystem\n(S'touch " + str(trap).encode() + b"'\ntR."
    replace_file(copied, forest_of(copied), pickled)
    with pytest.raises(InputError, match="not a whole LightGBM text model"):
        load_artifact(copied)
    assert not trap.exists()


def test_bad_input_18_flipped_byte_in_model_is_named_and_nothing_is_scored(
    company: Company, copied: Path
) -> None:
    name = forest_of(copied)
    raw = bytearray((copied / name).read_bytes())
    raw[len(raw) // 2] ^= 1
    (copied / name).write_bytes(raw)
    with pytest.raises(InputError, match=f"{name}: does not match") as caught:
        company.session.model(str(copied))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("line", "into"),
    [
        ("split_feature=", "split_feature=99999 "),
        ("left_child=", "left_child=123456789 "),
        ("leaf_value=", "leaf_value=nan "),
        ("num_leaves=", "num_leaves=2000000000"),
        ("threshold=", "threshold=x "),
    ],
)
def test_bad_input_19_edited_numbers_with_a_right_hash_are_refused_and_nobody_dies(
    copied: Path, line: str, into: str
) -> None:
    name = forest_of(copied)
    text = (copied / name).read_text()
    start = text.index(f"\n{line}") + 1
    end = text.index("\n", start)
    kept = "" if line == "num_leaves=" else text[start:end].partition("=")[2].partition(" ")[2]
    replace_file(copied, name, (text[:start] + into + kept + text[end:]).encode())
    with pytest.raises(InputError, match="forest 0"):
        load_artifact(copied)


def test_bad_input_22_a_signature_that_nobody_checks_is_not_taken_for_one(copied: Path) -> None:
    """Artifacts carry hashes, not signatures: a file that claims to be one is refused."""
    (copied / "manifest.json.sig").write_text("-----BEGIN SIGNATURE-----")
    with pytest.raises(InputError, match=r"manifest\.json\.sig: unknown file"):
        load_artifact(copied)


# --- 26, 27: canaries ----------------------------------------------------------------------------


def contents(folder: Path) -> dict[str, bytes]:
    """Read every file of a folder; Parquet as text as well, since its pages are compressed."""
    found = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    for name in [name for name in found if name.endswith(".parquet")]:
        found[name] += pq.read_table(folder / name).to_pandas().to_csv().encode()
    return found


def test_bad_input_26_a_password_is_in_no_message_and_no_file(
    company: Company, monkeypatch: pytest.MonkeyPatch, caplog: Any, capfd: Any, tmp_path: Path
) -> None:
    monkeypatch.setenv("CANARY_LOGIN", f"ann:{PASSWORD}")
    allowed = NetworkSection(allow=("127.0.0.1",))
    messages = list(company.said)
    for kind, url in (
        ("postgresql", "postgresql://127.0.0.1:9/crm"),
        ("postgresql", f"postgresql://ann:{PASSWORD}@127.0.0.1:9/crm"),
    ):
        section = WriteBackSection(crm=kind, url=url, credentials="CANARY_LOGIN")
        changed = {"write_back": section, "network": allowed}
        project = company.session.project.model_copy(update=changed)
        with pytest.raises(LeadScoreError) as caught:
            write_back(company.session.state.scores, project, tmp_path / "x", now=NOW, run_id="r")
        messages.append(str(caught.value))
    for kind in ("rest", "tryton"):
        section = WriteBackSection(crm=kind, url="http://127.0.0.1:9/x", credentials="CANARY_LOGIN")
        crm = connect(section, tmp_path, allowed.allow)
        with pytest.raises(CrmError) as refused:
            crm.read_scores(["a"])
        crm.close()
        messages.append(str(refused.value))
    source = Source(source=f"postgresql://ann:{PASSWORD}@127.0.0.1:9/crm", query="select 1")
    with pytest.raises(LeadScoreError) as read:
        read_source(source, company.session.project.model_copy(update={"network": allowed}))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    registry = Registry(f"http://ann:{PASSWORD}@127.0.0.1:9", "acme")
    with pytest.raises(OutsideError) as unreachable:
        registry.champion()
    messages += [str(read.value), str(unreachable.value)]
    captured = capfd.readouterr()
    messages += [caplog.text, captured.out, captured.err]
    assert not [text for text in messages if PASSWORD in text]
    for folder in (company.session.state.folder, tmp_path):
        assert not [name for name, raw in contents(folder).items() if PASSWORD.encode() in raw]


def test_bad_input_27_an_address_and_a_number_are_in_no_log_model_registry_or_ledger(
    company: Company, caplog: Any, capfd: Any
) -> None:
    with pytest.raises(InputError) as unknown:
        rescore(company, own_leads(company).assign(expected_amount=MAIL))
    captured = capfd.readouterr()
    told = [*company.said, caplog.text, captured.out, captured.err]
    assert not [text for text in told if MAIL in text or PHONE in text]
    assert "expected_amount" in str(unknown.value)
    found = {
        name: [canary for canary in (MAIL, PHONE) if canary.encode() in raw]
        for name, raw in contents(company.session.state.folder).items()
    }
    assert {name: canaries for name, canaries in found.items() if canaries} == {}


# --- 37, 38: fields of a request -----------------------------------------------------------------


@pytest.fixture(scope="module")
def app(company: Company) -> Guard:
    service = Service(company.session.project, company.session.registry)
    service.load()
    return create_app(service, {"tests": digest("ls_k")}, Limits(requests_per_second=1e6))


def ask(app: Guard, attribute: str, value: str) -> httpx.Response:
    """Score one lead, one of whose attributes is this JSON text."""
    lead = '"lead_id": "a", "created_at": "2026-08-01T00:00:00Z", "source": "event"'
    body = (
        f'{{"leads": [{{"attributes": {{{lead}, "{attribute}": {value}}}}}], '
        '"as_of": "2026-09-01T00:00:00Z"}'
    )

    async def post() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            headers = {"Authorization": "Bearer ls_k", "Content-Type": "application/json"}
            return await client.post("/v1/score", headers=headers, content=body.encode())

    return asyncio.run(post())


@pytest.mark.parametrize("value", ['"12,5"', "[1]", '{"a": 1}', '"many"'])
def test_bad_input_37_a_wrong_type_is_422_and_names_its_field(app: Guard, value: str) -> None:
    answer = ask(app, "expected_amount", value)
    assert answer.status_code == 422, answer.text
    assert "expected_amount" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("value", "status"),
    [("1e400", 422), ("-1e400", 422), ("9" * 400, 422), ("-0", 200), ("-0.0", 200),
     (str(2**63), 200), ("1e-400", 200)],
)  # fmt: skip
def test_bad_input_38_numbers_out_of_range_are_422_and_others_are_numbers(
    app: Guard, value: str, status: int
) -> None:
    answer = ask(app, "expected_amount", value)
    assert answer.status_code == status, answer.text


# --- 44, 53, 55 to 57: odd columns and odd leads -------------------------------------------------


def test_bad_input_44_empty_constant_and_unique_columns_do_not_reach_the_model(
    tmp_path: Path,
) -> None:
    n = 400
    rows = pd.DataFrame({
        "id": [f"i{i}" for i in range(n)], "y": np.arange(n) % 4 == 0, "size": np.arange(n) % 7,
        "empty": [None] * n, "same": ["x"] * n, "token": [f"t{i}" for i in range(n)],
    })  # fmt: skip
    static = {
        "project": {"name": "t"}, "leads": {"source": "a.csv", "id": "id", "converted": "y"},
        "conversion": {}, "folder": str(tmp_path),
    }  # fmt: skip
    project = check_project(static)
    reading = read_with_notes(project, frames={"leads": rows})
    assert {attribute.name for attribute in reading.tables.attributes} == {"size"}
    notes = "\n".join(reading.notes)
    assert "empty" in notes
    assert "column same: is the same in every row" in notes
    assert "column token: is different in every row" in notes


@pytest.mark.parametrize("word", ["Atlantis", "nan", "None", "NULL", "", "x" * 2000, "\u202e"])
def test_bad_input_53_an_unseen_category_scores_as_any_other(app: Guard, word: str) -> None:
    answer = ask(app, "country", json.dumps(word))
    assert answer.status_code == 200, answer.text
    other = ask(app, "country", '"Nowhere at all"')
    if word.strip() and word not in ("nan", "None", "NULL"):
        assert answer.json()["scores"][0]["score"] == other.json()["scores"][0]["score"]


def test_bad_input_55_columns_in_another_order_and_more_of_them_change_no_score(
    company: Company,
) -> None:
    leads = own_leads(company)
    turned = leads[leads.columns[::-1]].assign(shoe_size=43, created_month=7)
    again = rescore(company, turned)
    assert (again["probability"] == company.scored.table["probability"]).all()


def test_bad_input_56_a_lead_without_events_is_scored_and_said_to_be_little_known(
    company: Company,
) -> None:
    touches = pd.read_parquet(company.file.parent / "touches.parquet")
    silent = company.scored.table["lead_id"].iat[0]
    tables, outcomes = read_tables(
        company.session.project,
        frames={"events.0": touches[touches["lead_id"] != silent]},
        kinds=company.model.kinds,
    )
    scored = score_leads(
        company.session.project, tables, outcomes, company.model, as_of=company.scored.as_of,
        scored_at=NOW, run_id="n3",
    )  # fmt: skip
    assert scored.table["lead_id"].iat[0] == silent
    assert 0 < scored.table["probability"].iat[0] < 1
    reading = replace(company.reading, tables=tables, outcomes=outcomes)
    pages = Pages(company.session.project, reading, company.model, scored, "p.toml", 1)
    assert _detail(pages, 0, (), ()).low_information


def test_bad_input_57_a_million_events_of_one_lead_take_seconds(company: Company) -> None:
    n = 1_000_000
    lead = own_leads(company).iloc[[0]].assign(created_at=pd.Timestamp("2026-01-01", tz="UTC"))
    start = pd.Timestamp("2026-01-02", tz="UTC").value
    at = pd.to_datetime(start + np.arange(n) * 10_000_000_000, utc=True)
    touches = pd.read_parquet(company.file.parent / "touches.parquet").iloc[[0]]
    many = touches.loc[touches.index.repeat(n)].reset_index(drop=True)
    many = many.assign(lead_id=lead["lead_id"].iloc[0], touch_at=at, ingested_at=at)
    began = time.process_time()
    tables, _ = read_tables(
        company.session.project,
        frames={"leads": lead, "events.0": many},
        kinds=company.model.kinds,
        lenient=True,
    )
    frame = build(
        tables,
        replace(
            company.scored.snapshots, lead=np.zeros(1, np.int64),
            as_of=np.array([tables.observed_until]),
        ),
        company.model.catalogue,
    )  # fmt: skip
    assert np.isfinite(company.model.scorer.score(frame.to_pandas()).probability).all()
    assert time.process_time() - began < 30


# --- 59: where results go ------------------------------------------------------------------------


def test_bad_input_59_a_folder_that_is_a_file_is_one_line(company: Company, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutsideError, match="can't be written") as caught:
        write_scores(company.scored, tmp_path / "file" / "scores.parquet")
    assert caught.value.exit_code == 4
    assert (tmp_path / "file").read_text() == "mine"


def test_bad_input_59_a_full_disk_leaves_the_old_file(company: Company, tmp_path: Path) -> None:
    path = tmp_path / "scores.parquet"
    path.write_text("yesterday")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, hard))
    try:
        with pytest.raises(OutsideError, match="the old file is as it was"):
            write_scores(company.scored, path)
        with pytest.raises(OutsideError):
            write_text(tmp_path / "scores.parquet", "x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_text() == "yesterday"
    assert os.listdir(tmp_path) == ["scores.parquet"]
