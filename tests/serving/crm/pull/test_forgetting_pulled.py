"""A forgotten lead is gone from pulled files, and comes back only where the CRM still has it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from data.errors import InputError, OutsideError
from data.world import make_world
from serving.crm.crm_rows import KINDS, Page, Row, Since, change, event
from serving.crm.pull.forgotten import NAME, Forgotten
from serving.crm.pull.pull_rows import OVERLAP, pull
from serving.crm.pull.spool import lock_folder
from serving.forget import forget_pulled
from tests.fakes.cloud_server import TOKEN, running
from tests.fakes.cloud_world import lead_id, salesforce_of
from tests.golden import product
from tests.golden.product import Run

START = 1_790_000_000_000_000
WHO = "L0000003"
FILES = [f"{kind}.parquet" for kind in KINDS]


class Crm:
    """A CRM in memory: rows by kind with their stamps, read from a watermark on."""

    origin = "a CRM of the test"

    def __init__(self, leads: int = 8) -> None:
        self.gaps: dict[str, str] = {}
        self.rows: dict[str, list[Row]] = {kind: [] for kind in KINDS}
        for number in range(leads):
            self.record(f"L{number:07d}", START + number)

    def record(self, lead: str, at: int, *, only: str | None = None) -> None:
        """Record a lead with two events and a change, or rows of one kind only."""
        made: dict[str, list[Row]] = {
            "leads": [{"lead_id": lead, "created_at": at, "changed_at": at, "company": lead[1:]}],
            "events": [
                event(f"e{lead}{at}{i}", lead, "call", at, recorded=at, changed=at)
                for i in range(2)
            ],
            "lead_history": [change(f"c{lead}{at}", lead, "stage", "new", "met", at)],
        }
        for kind in KINDS:
            self.rows[kind] += made[kind] if only in (None, kind) else []

    def delete(self, lead: str, at: int) -> None:
        """Move a lead to the recycle bin: its row is still given, and that it is deleted."""
        self.rows["leads"].append({"lead_id": lead, "created_at": at, "changed_at": at})
        self.rows["events"].append(event(f"d{lead}", lead, "deleted", at, recorded=at, changed=at))

    def lose(self, lead: str) -> None:
        """Erase every row of a lead."""
        for kind in KINDS:
            self.rows[kind] = [row for row in self.rows[kind] if row["lead_id"] != lead]

    def read(self, since: Since, *, as_of: int | None = None) -> Iterable[Page]:
        assert as_of is None
        for kind in KINDS:
            rows = [r for r in self.rows[kind] if int(r["changed_at"] or 0) >= (since.until or 0)]
            yield Page(kind, tuple(rows))


def leads_in(folder: Path) -> dict[str, set[str]]:
    return {
        name: set(pq.read_table(folder / name)["lead_id"].to_pylist())
        if (folder / name).exists()
        else set()
        for name in FILES
    }


def is_there(folder: Path, lead: str = WHO) -> set[bool]:
    return {lead in found for found in leads_in(folder).values()}


@pytest.fixture
def crm(tmp_path: Path) -> Crm:
    crm = Crm()
    pull(crm, tmp_path, now=START + OVERLAP)
    assert is_there(tmp_path) == {True}
    return crm


@pytest.mark.usefixtures("crm")
def test_every_row_of_the_lead_is_gone_and_all_else_is_as_it_was(tmp_path: Path) -> None:
    before = {name: pq.read_table(tmp_path / name) for name in FILES}
    watermark = (tmp_path / "watermark.json").read_bytes()
    (tmp_path / ".pull").mkdir()
    (tmp_path / ".pull" / "leads-00000.parquet").write_text(f"killed with {WHO}")
    (tmp_path / ".leads.parquet.77.part").write_text(f"killed with {WHO}")
    found = forget_pulled(tmp_path, WHO)
    assert found == {"leads.parquet": 1, "events.parquet": 2, "lead_history.parquet": 1}
    assert (tmp_path / "watermark.json").read_bytes() == watermark
    for name, table in before.items():
        others = [row for row in table.to_pylist() if row["lead_id"] != WHO]
        after = pq.read_table(tmp_path / name)
        assert after.to_pylist() == others
        assert after.schema.equals(table.schema)
    needle = WHO.encode()
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and needle in p.read_bytes()]
    assert set(forget_pulled(tmp_path, WHO).values()) == {0}


def test_a_lead_that_the_crm_has_no_more_stays_away(crm: Crm, tmp_path: Path) -> None:
    crm.lose(WHO)
    forget_pulled(tmp_path, WHO)
    crm.record("L0000099", START + 2 * OVERLAP)
    found = pull(crm, tmp_path, now=START + 3 * OVERLAP)
    assert (found.back, is_there(tmp_path)) == ((), {False})
    (tmp_path / "watermark.json").unlink()  # all is read again
    assert pull(crm, tmp_path, now=START + 4 * OVERLAP).back == ()
    assert (is_there(tmp_path), is_there(tmp_path, "L0000099")) == ({False}, {True})


def test_what_is_left_of_a_lead_in_the_recycle_bin_stays_there(crm: Crm, tmp_path: Path) -> None:
    forget_pulled(tmp_path, WHO)
    crm.delete(WHO, START + 2 * OVERLAP)
    crm.record(WHO, START + 2 * OVERLAP, only="events")
    assert pull(crm, tmp_path, now=START + 3 * OVERLAP).back == ()
    crm.record(WHO, START + 4 * OVERLAP, only="lead_history")
    assert pull(crm, tmp_path, now=START + 5 * OVERLAP).back == ()
    assert is_there(tmp_path) == {False}


def test_a_lead_that_the_crm_still_has_comes_back_and_that_is_said(
    crm: Crm, tmp_path: Path
) -> None:
    crm.record("L0000099", START + 2 * OVERLAP)
    pull(crm, tmp_path, now=START + 3 * OVERLAP)
    forget_pulled(tmp_path, WHO)
    forget_pulled(tmp_path, "L0000005")
    crm.record(WHO, START + 4 * OVERLAP)
    assert pull(crm, tmp_path, now=START + 5 * OVERLAP).back == (WHO,)
    assert is_there(tmp_path) == {True}
    crm.record(WHO, START + 6 * OVERLAP, only="events")
    again = pull(crm, tmp_path, now=START + 7 * OVERLAP)
    assert (again.back, again.counts["events"].new) == ((), 2)  # its later rows are kept
    assert is_there(tmp_path, "L0000005") == {False}


def test_a_lead_whose_return_was_killed_is_met_again(
    crm: Crm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    forget_pulled(tmp_path, WHO)
    crm.record(WHO, START + 2 * OVERLAP)
    with monkeypatch.context() as patch:
        patch.setattr(Forgotten, "drop", die)
        with pytest.raises(KeyboardInterrupt):
            pull(crm, tmp_path, now=START + 3 * OVERLAP)
    assert pull(crm, tmp_path, now=START + 3 * OVERLAP).back == (WHO,)
    assert is_there(tmp_path) == {True}


DYING = """
import os, signal, sys
from pathlib import Path
from serving.forget import forget_pulled
replace, fsync = os.replace, os.fsync

def die_at(step, folder):
    left = iter(range(step))
    def dying(call):
        def called(*arguments, **named):
            if next(left, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **named)
        return called
    os.replace, os.fsync = dying(replace), dying(fsync)
    forget_pulled(Path(folder), sys.argv[1])

codes = []
for step, folder in enumerate(sys.argv[2:]):
    pid = os.fork()  # this process has begun no thread: only its children read and write
    if pid == 0:
        try:
            die_at(step, folder)
            os._exit(0)
        finally:
            os._exit(1)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(codes)
"""


@pytest.mark.checkout
def test_a_kill_at_any_step_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    folders = [tmp_path / str(step) for step in range(13)]
    for folder in folders:
        pull(Crm(), folder, now=START + OVERLAP)
    whole = leads_in(folders[0])
    command = [sys.executable, "-c", DYING, WHO, *map(str, folders)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    # the list and three files, three steps each
    assert json.loads(done.stdout) == [-signal.SIGKILL] * 12 + [0], done.stderr
    for folder in folders:
        for name, found in leads_in(folder).items():
            assert found in (whole[name], whole[name] - {WHO})
        forget_pulled(folder, WHO)
        assert is_there(folder) == {False}
        assert not [path.name for path in folder.glob(".*.part")]


def test_a_folder_that_no_pull_wrote_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "leads.parquet").write_bytes(b"yours")
    assert forget_pulled(tmp_path, WHO) == {}
    assert [path.name for path in tmp_path.iterdir()] == ["leads.parquet"]


@pytest.mark.usefixtures("crm")
def test_a_pull_at_work_is_not_disturbed(tmp_path: Path) -> None:
    with lock_folder(tmp_path), pytest.raises(OutsideError, match="another pull"):
        forget_pulled(tmp_path, WHO)
    assert is_there(tmp_path) == {True}


def test_a_broken_list_is_refused_not_overlooked(crm: Crm, tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("[]")
    with pytest.raises(InputError, match="is no list of forgotten leads"):
        pull(crm, tmp_path, now=START + 2 * OVERLAP)


PROJECT = """
[project]
name = "acme"
[network]
allow = ["127.0.0.1"]
[write_back]
crm = "salesforce"
url = "{url}"
credentials = "ACME_CRM_TOKEN"
requests_per_second = 1000
"""


def leadscore(*arguments: str, cwd: Path) -> str:
    done = run(*arguments, cwd=cwd)
    assert done.code == 0, done.err
    return done.out


def run(*arguments: str, cwd: Path) -> Run:
    return product.leadscore(*arguments, cwd=cwd, env={"ACME_CRM_TOKEN": TOKEN})


def test_the_commands_forget_and_say_who_is_back(tmp_path: Path) -> None:
    world = make_world("software_trial", 60, 5)
    lead, other = (lead_id(name) for name in world.frames["leads"]["lead_id"][:2])
    with running(salesforce_of(world)) as cloud:
        (tmp_path / "crm.toml").write_text(PROJECT.format(url=cloud.url), encoding="utf-8")
        leadscore("pull", "crm.toml", cwd=tmp_path)
        leadscore("pull", "crm.toml", "--as-of", "2026-06-01", "--out", "then", cwd=tmp_path)
        wrong = run("forget", "crm.toml", lead, "--pulled", "elsewhere", cwd=tmp_path)
        assert (wrong.code, "was never pulled into" in wrong.err) == (2, True)
        for each in (lead, other):
            said = leadscore("forget", "crm.toml", each, "--pulled", "then", cwd=tmp_path)
            assert "leads.parquet: 1" in said
            assert "a pull may bring it back" in said
        assert is_there(tmp_path, lead) == is_there(tmp_path / "then", lead) == {False}
        rows: dict[str, dict[str, Any]] = {row["Id"]: row for row in cloud.tables["Lead"]}
        for each in (lead, other):
            rows[each]["SystemModstamp"] = "2099-01-01T00:00:00.000+0000"
        rows[lead]["IsDeleted"] = True
        told = leadscore("pull", "crm.toml", cwd=tmp_path)
        assert f"back, though forgotten here: {other}: the CRM still has them" in told
        assert lead not in leads_in(tmp_path)["leads.parquet"]
        assert other in leads_in(tmp_path)["leads.parquet"]
        assert json.loads(leadscore("pull", "crm.toml", "--json", cwd=tmp_path))["back"] == []
