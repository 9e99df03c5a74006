"""A bad night is stopped before the CRM, and the monitor says why: walked with commands alone."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
import sys
from contextlib import closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.world import make_world, project_file, write_world
from serving.cli import app as entry

UNTIL = pd.Timestamp("2026-11-01", tz="UTC")
TRAINED = pd.Timestamp("2026-09-20", tz="UTC")
TABLES = {"leads": "created_at", "touches": "ingested_at", "lead_history": "changed_at"}


@dataclass(frozen=True)
class Ran:
    """What a command wrote."""

    stdout: str
    stderr: str


def run(*arguments: str, expect: int = 0) -> Ran:
    """Run a command in this process, as the console script does."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with redirect_stdout(out), redirect_stderr(err), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["leadscore", *arguments])
        try:
            entry.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
    assert code == expect, err.getvalue() + out.getvalue()
    return Ran(out.getvalue(), err.getvalue())


def export(world_folder: Path, folder: Path, as_of: pd.Timestamp) -> None:
    """Write what the CRM of a company exports at a moment."""
    folder.mkdir(exist_ok=True)
    for name, clock in {**TABLES, "opportunities": "created_at"}.items():
        frame = pd.read_parquet(world_folder / f"{name}.parquet")
        frame = frame[frame[clock] < as_of]
        if name == "leads":
            frame["closed_at"] = frame["closed_at"].where(frame["closed_at"] < as_of)
            undo(frame, pd.read_parquet(world_folder / "lead_history.parquet"), as_of)
        frame.to_parquet(folder / f"{name}.parquet", index=False)
    shutil.copyfile(world_folder / "accounts.parquet", folder / "accounts.parquet")
    text = (world_folder / "software_trial.toml").read_text(encoding="utf-8")
    text = text.replace('"2026-11-01"', f'"{as_of.isoformat()}"')
    (folder / "software_trial.toml").write_text(text, encoding="utf-8")


def undo(leads: pd.DataFrame, history: pd.DataFrame, as_of: pd.Timestamp) -> None:
    """Give owner, industry and status the values that they had at a moment."""
    later = history[history["changed_at"] >= as_of].drop_duplicates(["lead_id", "field"])
    for field, changes in later.groupby("field"):
        old = leads["lead_id"].map(changes.set_index("lead_id")["old"])
        leads[field] = leads[field].where(old.isna(), old)


def truncate(path: Path, share: float) -> None:
    """Keep the first rows, as an interrupted export does."""
    frame = pd.read_parquet(path)
    frame.iloc[: int(len(frame) * share)].to_parquet(path, index=False)


def crm_rows(state: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(state / "crm.sqlite")) as crm:
        return sorted(crm.execute("select * from leads").fetchall(), key=repr)


class Nights:
    """One company, its project file and its state folder; `go` runs a command on it."""

    def __init__(self, world: Path, place: Path) -> None:
        self.world, self.folder, self.state = world, place / "company", place / "state"
        self.file = self.folder / "software_trial.toml"

    def at(self, as_of: pd.Timestamp) -> None:
        export(self.world, self.folder, as_of)

    def go(self, verb: str, *options: str, expect: int = 0) -> Ran:
        return run(verb, str(self.file), "--state", str(self.state), *options, expect=expect)

    def signals(self, expect: int) -> list[dict[str, str]]:
        answer = json.loads(self.go("monitor", "--json", expect=expect).stdout)
        signals: list[dict[str, str]] = answer["signals"]
        return signals


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_world(
        make_world("software_trial", 3000, 11), folder, project=project_file("software_trial")
    )
    return folder


@pytest.fixture(scope="module")
def trained(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """A company whose model was trained on 20 September and scored once."""
    nights = Nights(world, tmp_path_factory.mktemp("trained"))
    nights.at(TRAINED)
    nights.go("train", "--fast", "--learner", "logistic", "--threads", "1")
    nights.go("score", "--threads", "1")
    return nights


@pytest.fixture
def nights(trained: Nights, tmp_path: Path) -> Nights:
    """A copy of the trained company, to be spoiled."""
    shutil.copytree(trained.folder, tmp_path / "company")
    shutil.copytree(trained.state, tmp_path / "state")
    mine = Nights(trained.world, tmp_path)
    return mine


def test_a_truncated_extract_is_stopped_before_the_crm_until_somebody_accepts_it(nights):
    nights.go("write-back")
    before = crm_rows(nights.state)
    scores = (nights.state / "scores.parquet").read_bytes()
    nights.at(TRAINED + pd.Timedelta(days=1))
    truncate(nights.folder / "touches.parquet", 1 / 3)
    stopped = nights.go("score", "--threads", "1", expect=3)
    line = stopped.stderr.strip().splitlines()[-1]
    assert "touches.parquet" in line
    assert "the extract is cut" in line
    assert "--accept" in line
    assert (nights.state / "scores.parquet").read_bytes() == scores
    assert "the extract is cut" in nights.go("write-back", expect=3).stderr
    assert crm_rows(nights.state) == before
    accepted = nights.go("score", "--threads", "1", "--accept", "--json")
    assert "cut" in json.loads(accepted.stdout)["accepted"][0]
    record = json.loads((nights.state / "guard.json").read_text())
    assert record["stopped"] is None
    assert "the extract is cut" in record["accepted"][0]["breaches"][0]
    nights.go("score", "--threads", "1")  # once accepted, these data stay accepted
    nights.go("write-back")
    assert crm_rows(nights.state) != before
    red = [s for s in nights.signals(expect=3) if s["state"] == "red"]
    assert red[0]["topic"] == "cause"
    assert "touches.parquet" in red[0]["name"]


def test_yesterdays_files_and_a_silent_source_are_named(nights):
    text = nights.file.read_text(encoding="utf-8")
    until = (TRAINED + pd.Timedelta(days=1)).isoformat()
    nights.file.write_text(text.replace(TRAINED.isoformat(), until), encoding="utf-8")
    line = nights.go("score", "--threads", "1", expect=3).stderr
    assert "yesterday's file" in line
    nights.at(TRAINED + pd.Timedelta(days=12))
    touches = pd.read_parquet(nights.folder / "touches.parquet")
    silent = touches["touch_at"] < TRAINED + pd.Timedelta(days=2)
    touches[silent].to_parquet(nights.folder / "touches.parquet", index=False)
    line = nights.go("score", "--threads", "1", expect=3).stderr
    assert "touches.parquet is silent since 2026-09-2" in line
    first = nights.signals(expect=3)[0]
    assert first["name"] == "touches.parquet is silent"
    assert first["since"] in ("2026-09-21", "2026-09-22")


def test_a_record_of_a_good_night_that_is_not_whole_is_replaced(nights):
    path = nights.state / "guard.json"
    record = json.loads(path.read_text())
    del record["night"]["as_of"]
    path.write_text(json.dumps(record))
    nights.go("score", "--threads", "1")
    assert json.loads(path.read_text())["night"]["as_of"]


def test_a_quiet_night_goes_through_and_a_new_model_is_green(nights):
    nights.at(TRAINED + pd.Timedelta(days=1))
    nights.go("score", "--threads", "1")
    causes = [s for s in nights.signals(expect=0) if s["topic"] == "cause"]
    assert causes == []


def test_a_source_renamed_in_every_lead_stops_the_night_and_is_named(nights):
    nights.at(TRAINED + pd.Timedelta(days=1))
    leads = pd.read_parquet(nights.folder / "leads.parquet")
    leads["source"] = leads["source"].replace("search", "Search engine")
    leads.to_parquet(nights.folder / "leads.parquet", index=False)
    line = nights.go("score", "--threads", "1", expect=3).stderr
    assert "column source" in line
    assert "'Search engine'" in line
    first = nights.signals(expect=3)[0]
    assert "source" in first["name"]


def test_a_category_renamed_three_weeks_ago_is_found_with_its_day(nights):
    nights.at(UNTIL)
    leads = pd.read_parquet(nights.folder / "leads.parquet")
    since = UNTIL - pd.Timedelta(days=21)
    hit = (leads["source"] == "search") & (leads["created_at"] >= since)
    leads["source"] = leads["source"].where(~hit, "Search engine")
    leads.to_parquet(nights.folder / "leads.parquet", index=False)
    first = nights.signals(expect=3)[0]
    assert first["name"] == "column source: 'search' is now called 'Search engine'"
    assert "2026-10-10" <= first["since"] <= "2026-10-14"
    assert first["what_to_do"]


def test_conversions_that_vanished_in_july_are_red_in_november(nights):
    nights.at(UNTIL)
    deals = pd.read_parquet(nights.folder / "opportunities.parquet")
    gone = (deals["created_at"] >= pd.Timestamp("2026-07-20", tz="UTC")) & (deals.index % 4 > 0)
    deals[~gone].to_parquet(nights.folder / "opportunities.parquet", index=False)
    signals = nights.signals(expect=3)
    assert signals[0]["name"] == "conversions fell"
    assert "2026-06-25" <= signals[0]["since"] <= "2026-08-15"
    assert "by day 7" in signals[0]["figure"]
    figures = " ".join(signal["figure"] for signal in signals)
    assert "cannot be judged before" in figures
    assert any("CBPE" in signal["name"] for signal in signals)


def test_a_week_without_leads_is_not_part_of_its_own_baseline(nights):
    nights.at(UNTIL)
    leads = pd.read_parquet(nights.folder / "leads.parquet")
    leads = leads[leads["created_at"] < UNTIL - pd.Timedelta(days=21)]
    leads.to_parquet(nights.folder / "leads.parquet", index=False)
    first = nights.signals(expect=3)[0]
    assert first["name"] == "leads.parquet is silent"
    assert "2026-10-09" <= first["since"] <= "2026-10-11"


def test_static_mode_looks_at_columns_too(tmp_path):
    rng = np.random.default_rng(1)
    n = 3000
    frame = pd.DataFrame({"id": [f"a{i}" for i in range(n)]})
    frame["source"] = rng.choice(["search", "mail", "event"], n)
    for name in ("size", "visits", "calls", "years"):
        frame[name] = np.round(rng.normal(50, 10, n), 1)
    push = (frame[["size", "visits", "calls", "years"]].sum(axis=1) - 200) / 12
    frame["won"] = (rng.random(n) < 1 / (1 + np.exp(1.5 - push))).astype(int)
    frame.to_csv(tmp_path / "leads.csv", index=False)
    (tmp_path / "p.toml").write_text(
        '[project]\nname = "p"\n[leads]\nsource = "leads.csv"\nid = "id"\nconverted = "won"\n'
        "[conversion]\n"
    )
    state = ("--state", str(tmp_path / "state"))
    run("train", str(tmp_path / "p.toml"), *state, "--fast", "--learner", "logistic")
    run("monitor", str(tmp_path / "p.toml"), *state)
    frame["source"] = frame["source"].replace("search", "Search engine")
    frame.to_csv(tmp_path / "leads.csv", index=False)
    found = run("monitor", str(tmp_path / "p.toml"), *state, "--json", expect=3)
    first = json.loads(found.stdout)["signals"][0]
    assert "source" in first["name"]
    assert first["topic"] == "cause"
