"""`leadscore night`, walked with commands alone: files, night, CRM and list; the next day again."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from filelock import FileLock

from data.world import make_world, project_file, write_world
from tests.fakes.company_months import export_until
from tests.golden.product import Run, leadscore

NIGHT = '[night]\nretrain = "monday"\n'  # 26 October 2026 is one


class Company:
    """A company that exports its tables every evening; `night` is what its scheduler runs."""

    def __init__(self, whole: Path, place: Path) -> None:
        self.whole, self.folder, self.state = whole, place / "company", place / "state"
        self.file = self.folder / "software_trial.toml"

    def evening(self, until: str, more: str = NIGHT) -> None:
        """Export what is known at a moment."""
        text = export_until(self.whole, self.folder, until).read_text("utf-8")
        text = text.replace("[train]", '[train]\nlearner = "logistic"')
        text = re.sub(r"languages = .*", 'languages = ["en"]', text)
        self.file.write_text(f"{text}\n{more}", "utf-8")

    def go(self, verb: str, *options: object) -> Run:
        return leadscore(verb, self.file, *options, "--state", self.state)

    def night(self, *options: object, code: int = 0) -> dict[str, object]:
        """Do the night; its one line of JSON."""
        run = self.go("night", *options, "--threads", 1)
        assert run.code == code, run.out + run.err
        assert len(run.out.splitlines()) == 1
        answer: dict[str, object] = json.loads(run.out)
        assert answer["exit_code"] == code
        return answer

    def crm(self) -> dict[str, tuple[int, str, str]]:
        with closing(sqlite3.connect(self.state / "crm.sqlite")) as crm:
            rows = crm.execute("select lead_id, score, as_of, run_id from leads").fetchall()
        return {row[0]: row[1:] for row in rows}

    def scores(self) -> dict[str, int]:
        table = pq.read_table(self.state / "scores.parquet", columns=["lead_id", "score"])
        return dict(zip(*(table[name].to_pylist() for name in table.column_names), strict=True))

    def page(self) -> str:
        return (self.state / "report" / "report-en.html").read_text("utf-8")

    def figure(self, name: str) -> float:
        text = (self.state / "night.prom").read_text("utf-8")
        match = re.search(rf"^leadscore_night_{name}{{[^}}]*}} (\S+)$", text, re.MULTILINE)
        assert match, name
        return float(match[1])


def outcomes(answer: dict[str, object]) -> dict[str, str]:
    steps = answer["steps"]
    assert isinstance(steps, dict)
    return {name: step["outcome"] for name, step in steps.items()}


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    """A company in its first night, of Friday: there was no model, so that one is trained."""
    whole = tmp_path_factory.mktemp("whole")
    world = make_world("software_trial", 600, 11)
    write_world(world, whole, project=project_file("software_trial"))
    made = Company(whole, tmp_path_factory.mktemp("nights"))
    made.evening("2026-10-23")
    run = made.go("night", "--threads", 1)
    answer = json.loads(run.out)
    assert outcomes(answer)["retrain"] == "done", run.err
    assert outcomes(answer)["write_back"] == "done"
    assert answer["sent"] == answer["rows"] == len(made.crm())
    return made


def test_files_become_scores_in_crm_and_list_night_after_night(company):
    first_crm, first_page = company.crm(), company.page()
    model = json.loads((company.state / "night.json").read_text())["model"]
    assert model == "1"

    before = company.crm()
    again = company.night()  # the same night: nothing is done twice
    assert again["resumed"]
    assert again["sent"] == 0
    done = outcomes(again)
    assert (done["score"], done["report"]) == ("kept", "kept")
    assert company.crm() == before

    company.evening("2026-10-25")
    dry = company.night("--dry-run")
    assert dry["dry_run"]
    assert dry["sent"]
    assert company.crm() == first_crm
    assert company.page() == first_page

    sunday = company.night()
    assert sunday["sent"] == dry["sent"]
    assert outcomes(sunday)["retrain"] == "skipped"
    assert company.page() != first_page
    scored, crm = company.scores(), company.crm()
    assert scored.keys() <= crm.keys()
    assert all(abs(crm[lead][0] - score) < 1 for lead, score in scored.items())
    assert any(crm[lead][:1] != first_crm.get(lead, ())[:1] for lead in scored)
    assert company.figure("sent_rows") == sunday["sent"]
    assert company.figure("rows") == sunday["rows"] == len(scored)
    assert company.figure("exit_code") == 0
    assert company.figure("last_success_timestamp_seconds") == pytest.approx(
        company.figure("last_run_timestamp_seconds")
    )


def test_a_night_of_retraining_judges_a_new_model_once(company):
    company.evening("2026-10-27")  # Tuesday: Monday's retraining is made up for
    tuesday = company.night()
    steps = tuesday["steps"]
    assert steps["retrain"]["outcome"] == "done"
    assert "version 2" in steps["retrain"]["says"]
    again = company.night()
    assert outcomes(again)["retrain"] == "kept"
    assert again["sent"] == 0
    assert again["model_version"] == tuesday["model_version"]


def test_a_breach_of_the_guard_stops_what_would_be_written_and_the_monitor_speaks(company):
    company.evening("2026-10-28")
    touches = pd.read_parquet(company.folder / "touches.parquet")
    touches.iloc[: len(touches) // 3].to_parquet(company.folder / "touches.parquet", index=False)
    crm, page = company.crm(), company.page()
    success = company.figure("last_scores_timestamp_seconds")
    stopped = company.night(code=3)
    done = outcomes(stopped)
    assert done["score"] == "failed"
    assert "the extract is cut" in stopped["steps"]["score"]["says"]
    assert (done["write_back"], done["report"], done["retrain"]) == ("skipped",) * 3
    assert done["monitor"] == "done"
    assert (company.crm(), company.page()) == (crm, page)
    assert company.figure("exit_code") == 3
    assert company.figure("last_scores_timestamp_seconds") == success
    assert "run leadscore night --accept" in stopped["steps"]["score"]["says"]
    (company.folder / "touches.parquet").unlink()
    absent = company.night(code=2)  # tonight's cause is another one, and is not hidden behind it
    assert "touches.parquet: file not found" in absent["steps"]["score"]["says"]
    assert outcomes(absent)["write_back"] == "skipped"
    assert "cut" not in json.dumps(absent["steps"])
    company.evening("2026-10-28")  # exported again
    mended = company.night()
    assert mended["sent"]
    assert company.figure("last_scores_timestamp_seconds") > success


def test_rows_that_are_there_twice_stop_the_night_and_a_mistake_of_accepting_them_is_mended(
    company,
):
    def doubled(until: str) -> None:
        company.evening(until)
        touches = pd.read_parquet(company.folder / "touches.parquet")
        pd.concat([touches, touches]).to_parquet(company.folder / "touches.parquet", index=False)

    doubled("2026-10-28T12:00")
    crm = company.crm()
    stopped = company.night(code=3)
    assert "each row is there 2 times; look for an import" in stopped["steps"]["score"]["says"]
    assert company.crm() == crm
    assert company.night("--accept", code=3)["steps"]["score"]["outcome"] == "done"
    company.evening("2026-10-28T18:00")
    repaired = company.night(code=3)["steps"]["score"]["says"]
    assert "the last run had 2 times as many" in repaired
    assert "accept tonight's" in repaired
    assert "leadscore night --accept" in repaired
    assert company.night("--accept")["sent"]


def test_what_fails_hinders_only_what_needs_it(company):
    blocked = company.folder / "blocked"
    blocked.write_text("a file where a folder should be")
    company.evening("2026-10-29", f'{NIGHT}out = "{blocked}"\n')
    answer = company.night(code=4)
    assert outcomes(answer)["report"] == "failed"
    assert outcomes(answer)["write_back"] == "done"
    assert answer["sent"]
    assert outcomes(answer)["monitor"] == "done"
    whole = company.file.read_text("utf-8")
    company.file.write_text(whole.replace("[[events]]", "[[events]"), "utf-8")
    assert company.night(code=2)["error"]
    company.file.write_text(whole, "utf-8")


def test_a_second_night_at_once_is_told_so(company):
    with FileLock(company.state / "night.lock", blocking=False):
        answer = company.night(code=4)
    assert "another night is running" in str(answer["error"])
    assert answer["steps"] == {}


def test_a_forgotten_lead_is_nowhere_in_the_state_folder_any_more(company, tmp_path):
    """After nights with lists for owners, an experiment, an answer, and a run killed half-way."""
    out = tmp_path / "lists"
    more = f'deliver = true\nout = "{out}"\n[experiment]\nrandom_arm = 0.1\n'
    company.evening("2026-10-30", f"{NIGHT}{more}")
    assert company.night()["sent"]
    lead = max(company.scores())
    assert company.go("feedback", lead, "wrong", "--because", "knows her").code == 0
    part = company.state / f".scores.parquet.{lead}.part"
    part.write_text(lead)
    names = {path.name for path in company.state.iterdir()}
    assert {"guard.json", "night.json", "night.prom", "exposure.db", "feedback.db"} <= names
    assert places_of(lead, company.state)
    assert (out / "leads.csv").is_file()
    with FileLock(company.state / "night.lock", blocking=False):
        assert company.go("forget", lead).code == 4
    run = company.go("forget", lead)
    assert run.code == 0, run.err
    assert "reports removed" in run.out
    assert places_of(lead, company.state) == ["ledger.sqlite: audit"]
    assert not [path for path in out.rglob("*") if path.is_file() and "model" not in path.name]


def places_of(lead: str, folder: Path) -> list[str]:
    """Name the files of a folder, and tables of its databases, that hold a lead's id."""
    places = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if path.suffix == ".parquet":
            rows = str(pq.read_table(path).to_pylist())
            places += [name] * (lead in rows)
        elif path.suffix in (".db", ".sqlite"):
            with closing(sqlite3.connect(path)) as base:
                tables = base.execute("select name from sqlite_master where type = 'table'")
                for (table,) in tables.fetchall():
                    rows = str(base.execute(f'select * from "{table}"').fetchall())
                    places += [f"{name}: {table}"] * (lead in rows)
        else:
            places += [name] * (lead.encode() in path.read_bytes() or lead in name)
    return places
