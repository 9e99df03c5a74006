"""`leadscore init` from a shell: in a script it takes its first guess, on a terminal it asks."""

from __future__ import annotations

import os
import pty
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from data.project import load_project
from tests.fakes.shapes_funnel import make_funnel
from tests.fakes.shapes_languages import pipeline_in_italian
from tests.fakes.shapes_tables import a_third_of_creation_dates_blank
from tests.golden.product import leadscore

COMMAND = [sys.executable, "-W", "ignore", "-c", "from leadscore import main; main()"]


@pytest.fixture
def leads(tmp_path: Path) -> Path:
    case = a_third_of_creation_dates_blank(make_funnel(7))
    (tmp_path / "leads.csv").write_bytes(case.files["leads.csv"])
    return tmp_path


def test_in_a_script_nothing_is_asked_and_the_file_passes_the_check(leads: Path) -> None:
    made = leadscore("init", "leads.csv", "--yes", "--out", "acme.toml", cwd=leads)
    assert made.code == 0, made.err
    first, second, third = made.out.splitlines()
    assert first.startswith("with it are read: 269 leads")
    assert "lines say CHOOSE" in second
    assert "leadscore check acme.toml" in third
    assert "fixed = [" in (leads / "acme.toml").read_text(encoding="utf-8")
    checked = leadscore("check", "acme.toml", cwd=leads)
    assert checked.code == 0, checked.out + checked.err
    assert "nothing stops training" in checked.out


def test_on_a_terminal_it_asks_and_takes_the_answers(leads: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "init", "leads.csv", "--out", "acme.toml"],
        stdin=theirs,
        stderr=theirs,
        stdout=subprocess.PIPE,
        text=True,
        cwd=leads,
    )
    os.close(theirs)
    os.write(ours, b"2\n9\n2\n")  # fixed columns: no; the horizon: 9 is no choice, then 2
    out, _ = process.communicate(timeout=300)
    asked = os.read(ours, 100_000).decode()
    os.close(ours)
    assert process.returncode == 0, asked
    assert "Were these of leads.csv known at creation" in asked
    assert "a number from 1 to" in asked
    assert "CHOOSE" not in out
    text = (leads / "acme.toml").read_text(encoding="utf-8")
    assert 'horizon = "30d"' in text
    assert "# chosen" in text
    assert "CHOOSE:" not in text
    assert "\nfixed = [" not in text


@pytest.mark.slow
def test_a_pipeline_of_deals_goes_from_init_to_the_report_by_commands_alone(tmp_path: Path) -> None:
    case = pipeline_in_italian(make_funnel(7))
    (tmp_path / "Trattative.csv").write_bytes(case.files["Trattative.csv"])
    for command in (
        ["init", "Trattative.csv", "--yes", "--out", "t.toml"],
        ["check", "t.toml"],
        ["train", "t.toml", "--fast"],
    ):
        done = leadscore(*command, cwd=tmp_path)
        assert done.code in (0, 3 if command[0] == "train" else 0), done.out + done.err


def test_a_file_name_with_line_feeds_writes_no_lines(tmp_path: Path) -> None:
    name = 'leads"\n[night]\nretrain = "never"\n#.csv'
    rows = [f"a{i},2026-01-{i % 28 + 1:02d},{'2026-03-01' if i % 4 else ''}\n" for i in range(200)]
    (tmp_path / name).write_text("id,created_at,converted_at\n" + "".join(rows))
    out = tmp_path / "acme.toml"
    said = leadscore("init", name, "--yes", "--out", str(out), cwd=tmp_path)
    assert said.code == 0, said.err
    project = load_project(out)
    assert project.leads.source == name
    assert project.night.retrain == ("1", "15")
    assert project.project.name.isidentifier()


def test_an_edited_project_file_is_never_overwritten(leads: Path) -> None:
    command = ["init", "leads.csv", "--yes", "--out", "acme.toml"]
    assert leadscore(*command, cwd=leads).code == 0
    assert leadscore(*command, cwd=leads).code == 0, "the same text again loses nothing"
    file = leads / "acme.toml"
    edited = file.read_text(encoding="utf-8") + "# my own edit\n"
    file.write_text(edited, encoding="utf-8")
    again = leadscore(*command, cwd=leads)
    assert again.code == 2
    assert "acme.toml: stands there already and says something else" in again.err
    assert "give --out another name" in again.err
    assert file.read_text(encoding="utf-8") == edited


@pytest.mark.parametrize("name", ["crm.sqlite", "sqlite:///crm.sqlite", "postgresql://h/crm"])
def test_a_database_is_told_that_init_reads_files(name: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "crm.sqlite")) as crm:
        crm.execute("create table leads (id text)")
    said = leadscore("init", name, "--yes", cwd=tmp_path)
    assert said.code == 2
    assert "query" in said.err
    assert "an SQLite database" in said.err or "init reads no" in said.err
