"""`leadscore night` with a real Tryton: pulled from it, written to it, stopped and gone on with."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from data.world import make_world
from serving.crm.interface import DISPOSITION, FIELDS
from serving.crm.tryton.writer import MODEL, TrytonCrm
from tests.fakes import tryton_server
from tests.fakes.crm_history import give_history
from tests.golden.product import leadscore

pytestmark = pytest.mark.tryton
COUNT = 400
PROJECT = """
[project]
name = "acme"

[leads]
source = "leads.parquet"
id = "lead_id"
created_at = "created_at"
fixed = ["description"]
exclude = ["number", "reference", "company", "account_id", "owner", "amount", "state", "changed_at"]

[[events]]
source = "events.parquet"
lead = "lead_id"
at = "at"
recorded_at = "recorded_at"
type = ["type"]
outcome = ["state_lost"]
ignore = ["state_lead"]

[conversion]
event = "state_opportunity"
horizon = "60d"
snapshots = ["1d", "14d", "30d"]

[network]
allow = ["127.0.0.1"]

[train]
learner = "logistic"

[night]
retrain = "never"

[write_back]
crm = "tryton"
url = "{url}"
credentials = "TRYTON_LOGIN"
batch = 20
requests_per_second = 20
"""


@dataclass(frozen=True)
class Office:
    """A company that works in Tryton, and the folder in which its nights run."""

    folder: Path
    crm: TrytonCrm
    leads: list[str]

    @property
    def command(self) -> list[str]:
        file, state = self.folder / "acme.toml", self.folder / "state"
        return ["night", str(file), "--state", str(state), "--threads", "1"]

    def begin(self) -> subprocess.Popen[str]:
        """Begin a night in a process of its own."""
        command = [sys.executable, "-m", "leadscore", *self.command]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)

    def night(self, *options: str) -> dict[str, Any]:
        """Do a night; its one line of JSON."""
        run = leadscore(*self.command, *options)
        return answer_of(run.out, run.err, run.code)

    def scores(self) -> dict[str, int]:
        """Read the newest scores."""
        table = pq.read_table(
            self.folder / "state" / "scores.parquet", columns=["lead_id", "score"]
        )
        return dict(zip(*(table[name].to_pylist() for name in table.column_names), strict=True))

    def in_tryton(self) -> dict[str, int]:
        """Read the scores that Tryton holds."""
        held = self.crm.read_scores(self.leads)
        scores = {lead: each.values["score"] for lead, each in held.items()}
        return {lead: int(str(score)) for lead, score in scores.items() if score is not None}


def answer_of(out: str, err: str, code: int) -> dict[str, Any]:
    assert len(out.splitlines()) == 1, out + err
    answer: dict[str, Any] = json.loads(out)
    assert answer["exit_code"] == code, err
    return answer


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """A Tryton of its own: other tests count what is in the shared one."""
    if absent := tryton_server.missing():
        pytest.skip(absent)
    folder = tmp_path_factory.mktemp("office")
    with pytest.MonkeyPatch.context() as environment, tryton_server.running(folder) as url:
        login = (tryton_server.USER, tryton_server.PASSWORD)
        environment.setenv("TRYTON_LOGIN", ":".join(login))
        crm = TrytonCrm(url, ("127.0.0.1",), login, timeout_s=300.0)
        began = pd.Timestamp.now("UTC").normalize() - pd.DateOffset(months=12)
        world = make_world("software_trial", COUNT, 3, start=str(began.date()), base_rate=0.3)
        leads = tryton_server.populate(crm, COUNT, list(world.frames["leads"]["source"]))
        give_history(tryton_server.database(url), leads, world)
        (folder / "acme.toml").write_text(PROJECT.replace("{url}", url), "utf-8")
        yield Office(folder, crm, leads)
        crm.close()


def test_a_night_stopped_while_it_writes_to_tryton_is_completed_by_the_next(office):
    night = office.begin()
    assert night.stderr is not None
    for line in night.stderr:
        if line.startswith("score: done"):
            break
    while not office.in_tryton() and night.poll() is None:  # the first batch is there
        pass
    night.send_signal(signal.SIGTERM)
    stopped = answer_of(*night.communicate(timeout=300), night.wait())
    steps = {name: step["outcome"] for name, step in stopped["steps"].items()}
    assert (steps["pull"], steps["retrain"], steps["score"]) == ("done", "done", "done"), steps
    assert (stopped["exit_code"], steps["report"], steps["metrics"]) == (4, "skipped", "done")
    assert stopped["sent"] == len(office.in_tryton())
    assert stopped["waiting"] > 0

    second = office.night()
    assert second["exit_code"] in (0, 3), second  # 3: the monitor may be red on so small a company
    assert second["steps"]["write_back"]["exit_code"] == 0, second
    assert second["sent"] == stopped["waiting"]
    assert office.in_tryton() == office.scores()
    assert (office.folder / "state" / "report" / "report-en.html").is_file()


def test_the_next_night_pulls_what_is_new_and_leaves_alone_what_a_person_set(office):
    before = office.in_tryton()
    busy, overruled, lost = office.scores(), *list(before)[:2]
    tryton_server.note(office.crm, list(busy)[2:60], "webinar: stayed to the end")
    write = "model.sale.opportunity.write"
    office.crm.rpc(write, [int(overruled)], {"leadscore_override": "90"})
    office.crm.rpc("model.sale.opportunity.lost", [int(lost)])

    dry = office.night("--dry-run")
    assert dry["dry_run"]
    assert office.in_tryton() == before

    night = office.night(
        "--accept"
    )  # the history ends at midnight: late in the day few rows are new
    assert night["steps"]["pull"]["says"].startswith("0 new leads, ")
    assert "0 new events" not in night["steps"]["pull"]["says"]
    assert night["steps"]["write_back"]["exit_code"] == 0, night
    scores, held = office.scores(), office.in_tryton()
    assert lost not in scores
    assert held[overruled] == before[overruled]
    assert held != before
    others = [lead for lead in scores if lead != overruled]
    assert all(abs(held[lead] - scores[lead]) < 2 for lead in others)  # less is not worth a write
    assert office.night()["sent"] == 0


def test_what_reps_answer_is_seen_in_tryton_where_a_field_is_mapped_and_so_is_its_undo(office):
    file, state = office.folder / "acme.toml", office.folder / "state"
    mapped = [f'{name} = "leadscore_{name}"' for name in (*FIELDS, DISPOSITION)]
    text = file.read_text("utf-8") + "\n[write_back.fields]\n" + "\n".join(mapped) + "\n"
    file.write_text(text, "utf-8")
    office.night("--accept")
    held = office.crm.read_scores(office.leads)
    ours = {lead for lead, each in held.items() if not (each.override or each.closed)}
    done, out = sorted(ours & office.in_tryton().keys() & office.scores().keys())[:2]

    def told() -> dict[str, tuple[str | None, str | None]]:
        names = ["id", "leadscore_disposition", "leadscore_band"]
        asked = [["id", "in", [int(done), int(out)]]]
        rows = office.crm.rpc(f"model.{MODEL}.search_read", asked, 0, None, None, names)
        return {str(r["id"]): (r["leadscore_disposition"], r["leadscore_band"]) for r in rows}

    def say(lead: str, *what: str) -> None:
        answer = leadscore("feedback", str(file), lead, *what, "--state", str(state))
        assert answer.code == 0, answer.err

    def score_again() -> None:
        """The same day's night is done already: it would keep its scores."""
        for verb in ("score", "write-back"):
            run = leadscore(verb, str(file), "--state", str(state))
            assert run.code == 0, run.err

    before = told()
    assert {said for said, _ in before.values()} <= {None, ""}
    say(done, "--done", "--by", "Ada")
    say(out, "--disqualify", "--because", "a student", "--by", "Ada")
    score_again()
    assert told() == {done: ("done", before[done][1]), out: ("disqualified", None)}
    say(done, "--undo", "--by", "Ada")
    say(out, "--undo", "--by", "Ada")
    score_again()
    assert {said for said, _ in told().values()} <= {None, ""}
    assert told()[out][1] == before[out][1]
