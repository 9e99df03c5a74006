"""The command line as a shell sees it: help with examples, one-line errors, exit codes.

A process costs two seconds: one is begun where the process is what is looked at.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from serving.cli.show_training import say_what_next
from tests.golden.product import leadscore
from tests.reference.commands import commands
from training.gate import NOTHING_NEW
from training.publish import Published
from training.registry import ModelVersion
from training.state import StatePaths

VERBS = {
    "demo",
    "init",
    "check",
    "schema",
    "pull",
    "train",
    "evaluate",
    "promote",
    "rollback",
    "retrain",
    "export",
    "score",
    "explain",
    "feedback",
    "report",
    "write-back",
    "monitor",
    "night",
    "experiment",
    "people",
    "serve",
    "forget",
    "doctor",
    "backup",
    "restore",
}


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    code = "from leadscore import main; main()"
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
    )


def test_every_verb_of_the_product_is_there():
    assert {path.split()[0] for path in commands()} == VERBS


@pytest.mark.parametrize("path", sorted(commands()))
def test_every_verb_has_help_with_an_example(path):
    assert f"Example: leadscore {path}" in (commands()[path].help or "")


def test_help_imports_no_heavy_library():
    code = (
        "import atexit, sys; from leadscore import main; sys.argv = ['leadscore', '--help']; "
        "heavy = {'pandas', 'numpy', 'lightgbm', 'mlflow', 'sklearn', 'shap', 'numba', 'duckdb'}; "
        "atexit.register(lambda: print(sorted(heavy & set(sys.modules)))); main()"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "absent.toml"),
        ("[project]\nname = ", "absent.toml"),
        (
            '[project]\nname = "a"\n[leads]\nsource = "no.csv"\nid = "id"\nconverted = "won"\n'
            "[conversion]\n",
            "no.csv",
        ),
        (
            '[project]\nnmae = "a"\n[leads]\nsource = "no.csv"\nid = "id"\nconverted = "won"\n'
            "[conversion]\n",
            "did you mean",
        ),
    ],
)
@pytest.mark.parametrize("verb", ["check", "train"])
def test_a_wrong_input_is_one_line_and_exit_2(tmp_path, content, words, verb):
    if content is not None:
        (tmp_path / "absent.toml").write_text(content)
    found = leadscore(verb, "absent.toml", cwd=tmp_path)
    assert found.code == 2, found.err
    lines = [line for line in found.err.splitlines() if line]
    assert len(lines) == 1
    assert lines[0].startswith("leadscore: ")
    assert words in lines[0]
    assert "Traceback" not in found.err
    assert not (tmp_path / ".leadscore").exists()


def test_check_reads_through_the_store_of_the_state_folder_that_is_named(company, tmp_path):
    named, there = StatePaths(tmp_path), set(company.file.parent.rglob("*"))
    found = leadscore("check", str(company.file), "--state", str(named.folder))
    assert found.code == 0, found.err
    assert named.store.exists()
    assert set(company.file.parent.rglob("*")) == there


def test_scores_and_write_back_answer_in_json(company):
    state = str(company.session.state.folder)
    found = leadscore("score", str(company.file), "--state", state, "--json")
    assert found.code == 0, found.err
    answer = json.loads(found.out)
    assert answer["model_version"] == "1"
    dry = leadscore("write-back", str(company.file), "--state", state, "--dry-run", "--json")
    assert dry.code == 0, dry.err
    assert json.loads(dry.out)["dry_run"] is True
    lead = company.reading.tables.lead_ids[0]
    wrong = leadscore("explain", str(company.file), "no-such-lead", "--state", state)
    assert (wrong.code, len(wrong.err.strip().splitlines())) == (2, 1)
    assert lead


def test_a_rep_answers_back_and_it_is_kept(company):
    state = str(company.session.state.folder)
    leadscore("score", str(company.file), "--state", state)
    lead = pd.read_parquet(company.session.state.scores)["lead_id"].iat[0]
    found = leadscore(
        "feedback",
        str(company.file),
        lead,
        "wrong",
        "--because",
        "no budget before May",
        "--by",
        "Ada",
        "--state",
        state,
    )
    assert found.code == 0, found.err
    assert "stored" in found.out


@pytest.mark.parametrize(
    ("verb", "arguments", "cure"),
    [
        ("score", [], "train one first"),
        ("report", [], "train one first"),
        ("evaluate", [], "train one first"),
        ("promote", ["2"], "train one first"),
        ("rollback", [], "promote the version that is wanted"),
    ],
)
def test_what_is_not_there_is_exit_2_since_running_it_again_changes_nothing(
    company, tmp_path, verb, arguments, cure
):
    """Found by a new user: 4 tells a job to try again, and it would for ever."""
    found = leadscore(verb, company.file, *arguments, "--state", tmp_path / "empty")
    assert (found.code, cure in found.err) == (2, True), found.err


def test_a_version_that_is_not_there_is_exit_2_and_those_that_are_are_named(company):
    found = leadscore("promote", company.file, "99", "--state", company.session.state.folder)
    assert (found.code, "it has version" in found.err) == (2, True), found.err


def test_train_says_before_the_fits_that_its_state_folder_cannot_be_written(company, tmp_path):
    """Found by a new user: the fits were made, and then it was an internal error."""
    (tmp_path / "file").touch()
    found = leadscore("train", company.file, "--fast", "--state", tmp_path / "file" / "state")
    assert (found.code, "can't be written" in found.err) == (4, True), found.err
    assert "trying" not in found.err


def test_a_moment_before_all_leads_is_not_green(company):
    """Found by a new user: every light of the year 2020 was green."""
    state = company.session.state.folder
    found = leadscore("monitor", company.file, "--as-of", "2020-01-01", "--state", state)
    assert (found.code, "no lead was created before 2020-01-01" in found.err) == (2, True)


def test_conversions_are_shown_beside_both_bars_that_they_are_judged_by(company):
    """Found by a new user: half of what was expected was green beside "0.85 to 1.18 times"."""
    state = company.session.state.folder
    found = leadscore("monitor", company.file, "--json", "--state", state)
    signals = {each["name"]: each for each in json.loads(found.out)["signals"]}
    told = signals["conversions so far"]
    assert re.search(
        r"expected \([0-9.]+ times, by chance in [0-9.e+]+ % of cases\)", told["figure"]
    )
    assert re.fullmatch(r"0\.85 to 1\.18 times, or by chance in over 0\.[0-9]+ %", told["bar"])


def test_check_says_of_each_number_whether_it_counts_snapshots_or_leads(company, tmp_path):
    found = leadscore("check", company.file, "--state", tmp_path / "none")
    out = " ".join(found.out.split())
    assert re.search(r"[\d,]+ mature snapshots of [\d,]+ leads, [\d,]+ snapshots converted", out)
    tested = r"the newest [\d,]+ snapshots of [\d,]+ leads \(\d+ leads, \d+ snapshots, converted\)"
    assert re.search(tested, out)
    assert "exit code 3 where a leak" in " ".join((commands()["check"].help or "").split())


def test_what_the_gate_did_not_promote_is_not_proposed_for_promotion(capsys, tmp_path):
    """Found by a new user: "not promoted", and then "next: leadscore promote"."""
    version = ModelVersion("2", tmp_path, {})
    say_what_next(Path("acme.toml"), Published(version, NOTHING_NEW), None)
    said = capsys.readouterr()
    assert "leadscore evaluate acme.toml --model 2" in said.out + said.err
    assert "promote" not in said.out + said.err


@pytest.mark.parametrize("verb", [("explain", "L1"), ("report",)])
def test_an_unknown_language_is_refused_before_any_model_or_data_is_read(verb, tmp_path):
    (tmp_path / "p.toml").write_text(
        '[project]\nname = "p"\n[leads]\nsource = "none.csv"\nid = "id"\nconverted = "won"\n'
        "[conversion]\n"
    )
    done = run(verb[0], "p.toml", *verb[1:], "--lang", "xx", cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "no catalogue for the language 'xx'" in done.stderr
