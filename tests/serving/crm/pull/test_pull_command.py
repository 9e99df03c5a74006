"""`leadscore pull`: from a CRM to files that `leadscore init` turns into a project that works."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from data.project import load_project
from data.world import make_world
from data.world.make import World
from tests.fakes.cloud_salesforce import Salesforce
from tests.fakes.cloud_server import TOKEN, running
from tests.fakes.cloud_world import lead_id, salesforce_of
from tests.golden import product
from tests.golden.product import Run

START = """
[project]
name = "acme"

[network]
allow = ["127.0.0.1"]

[write_back]
crm = "{crm}"
url = "{url}"
credentials = "ACME_CRM_TOKEN"
requests_per_second = 1000
"""


def leadscore(*arguments: str, cwd: Path, token: str = TOKEN) -> Run:
    return product.leadscore(*arguments, cwd=cwd, env={"ACME_CRM_TOKEN": token})


def start(*arguments: str, cwd: Path, token: str = TOKEN) -> subprocess.Popen[str]:
    code = "from leadscore import main; main()"
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin", "ACME_CRM_TOKEN": token, "HOME": str(cwd)},
    )


@pytest.fixture(scope="module")
def world() -> World:
    return make_world("software_trial", 400, 5, base_rate=0.2)


@pytest.fixture(scope="module")
def crm(world: World) -> Iterator[Salesforce]:
    with running(salesforce_of(world)) as cloud:
        assert isinstance(cloud, Salesforce)
        yield cloud


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory, crm: Salesforce) -> Path:
    """A folder with a project file that says no more than where the CRM is."""
    folder = tmp_path_factory.mktemp("acme")
    (folder / "crm.toml").write_text(START.format(crm="salesforce", url=crm.url), encoding="utf-8")
    return folder


def test_the_first_pull_needs_nothing_but_the_crm(company: Path, world: World) -> None:
    done = leadscore("pull", "crm.toml", cwd=company)
    assert done.code == 0, done.err
    assert "leads: 400 new, 400 in all" in done.out
    touches = pd.read_parquet(company / "events.parquet")
    assert (touches["type"].isin(set(world.frames["touches"]["touch_type"]))).sum() == len(
        world.frames["touches"]
    )
    won = touches[touches["type"] == "opportunity_created"]
    converted = world.frames["opportunities"]["lead_id"]
    assert set(won["lead_id"]) == {lead_id(each) for each in converted}


def test_init_proposes_a_project_that_check_accepts(company: Path) -> None:
    assert leadscore("pull", "crm.toml", cwd=company).code == 0
    files = ("leads.parquet", "events.parquet", "lead_history.parquet")
    made = leadscore("init", *files, "--out", "acme.toml", cwd=company)
    assert made.code == 0, made.err
    project = load_project(company / "acme.toml")
    assert (project.leads.id, project.leads.created_at) == ("lead_id", "created_at")
    assert project.leads.history[0].at == "changed_at"
    [events] = project.events
    assert (events.at, events.recorded_at, events.type) == ("at", "recorded_at", ("type",))
    text = (company / "acme.toml").read_text(encoding="utf-8")
    assert 'outcome = ["status_disqualified"]' in text
    assert project.conversion.event == ("opportunity_created",)
    done = leadscore("check", "acme.toml", "--json", cwd=company)
    assert done.code == 0, done.out[:2000] + done.err


def test_a_second_pull_says_that_nothing_is_new(company: Path) -> None:
    leadscore("pull", "crm.toml", cwd=company)
    told = json.loads(leadscore("pull", "crm.toml", "--json", cwd=company).out)
    assert {told[kind]["new"] for kind in ("leads", "events", "lead_history")} == {0}
    assert [Path(file).name for file in told["files"]] == [
        "leads.parquet",
        "events.parquet",
        "lead_history.parquet",
    ]


def test_pulls_that_are_killed_leave_what_one_pull_would_have_brought(
    company: Path, crm: Salesforce, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert leadscore("pull", "crm.toml", cwd=company).code == 0
    monkeypatch.setattr(crm, "page", 500)
    for requests in (2, 5, 9):
        with start("pull", "crm.toml", "--out", "killed", cwd=company) as process:
            until = len(crm.seen) + requests
            while len(crm.seen) < until and process.poll() is None:
                time.sleep(0.001)
            process.kill()
        assert process.returncode == -signal.SIGKILL
    assert leadscore("pull", "crm.toml", "--out", "killed", cwd=company).code == 0
    for name in ("leads", "events", "lead_history"):
        file = f"{name}.parquet"
        whole, after = pd.read_parquet(company / file), pd.read_parquet(company / "killed" / file)
        pd.testing.assert_frame_equal(whole, after)
    assert not list((company / "killed").glob("*.part"))


def test_a_past_moment_goes_into_a_folder_of_its_own(company: Path) -> None:
    done = leadscore("pull", "crm.toml", "--as-of", "2026-03-01", "--out", "then", cwd=company)
    assert done.code == 0, done.err
    assert "not read: values of leads are today's" in done.out
    events = pd.read_parquet(company / "then" / "events.parquet")
    assert events["recorded_at"].max() < pd.Timestamp("2026-03-01", tz="UTC")
    again = leadscore("pull", "crm.toml", "--as-of", "2026-03-01", "--out", "then", cwd=company)
    assert (again.code, "a past moment needs a new folder" in again.err) == (2, True)


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (START.format(crm="sqlite", url="crm.sqlite"), 2, "read from it directly"),
        (START.format(crm="postgresql", url="postgresql://127.0.0.1/crm"), 2, "read from it"),
        (
            START.format(crm="tryton", url="http://127.0.0.1:9/crm") + 'key = "number"\n',
            2,
            "write_back.key",
        ),
        (START.format(crm="hubspot", url="http://evil.example.com"), 2, "is not allowed"),
        (START.format(crm="sugar", url="http://127.0.0.1:9"), 2, "no CRM that leadscore knows"),
        (
            START.format(crm="salesforce", url="http://127.0.0.1:9")
            + '[leads]\nsource = "other.csv"\nid = "id"\nconverted = "won"\n[conversion]\n',
            2,
            "--out",
        ),
    ],
)
def test_what_cannot_be_pulled_is_one_line(text: str, code: int, said: str, tmp_path: Path) -> None:
    (tmp_path / "acme.toml").write_text(text, encoding="utf-8")
    done = leadscore("pull", "acme.toml", cwd=tmp_path)
    assert (done.code, said in done.err) == (code, True), done.err
    assert len(done.err.strip().splitlines()) == 1


def test_a_crm_that_refuses_is_exit_4_without_the_token(company: Path) -> None:
    done = leadscore("pull", "crm.toml", "--out", "new", cwd=company, token="wr0ng")
    assert done.code == 4
    assert "401" in done.err
    assert "wr0ng" not in done.err + done.out
