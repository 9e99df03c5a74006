"""A company scored in parts is the company scored whole, bit for bit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.buckets import Part
from data.clock import DAY
from data.errors import InputError, OutsideError
from data.store import slices
from data.world import make_world, write_world
from serving.answers.give_answer import give_feedback
from serving.forget import forget_lead
from serving.parts.gather_parts import gather_parts
from serving.parts.part_job import AskedRun
from serving.parts.part_manifest import sha256_of
from serving.parts.plan_parts import plan_parts
from serving.parts.run_parts import PartsPlan
from serving.parts.score_company import score_company, score_one_part
from serving.session import Session, open_session
from tests.golden.product import leadscore

AT = 1_795_000_000_000_000
RULES = {
    "qualification.stages": [
        {"name": "known", "when": "true"},
        {"name": "warm", "when": "percentile >= 60 or n_demo_request >= 1"},
        {"name": "hot", "when": "percentile >= 80 and band in ('A', 'B') and icp >= 20"},
    ],
    "qualification.icp": [{"when": "percentile > 50", "weight": 1.0}],
    "experiment.arms": {"control": 0.3, "score": 0.7},
    "experiment.start": "2026-01-01",
    "experiment.unit": "account",
}
"""Rules that read the rank, and an experiment that holds scores back: what no part knows alone."""


def silent(*_: object) -> None:
    """Show no progress."""


def scored(session: Session, model, plan: PartsPlan, *, at: int = AT, run_id: str = "r1"):
    """Score in parts or whole: what is told, and every file that is kept."""
    night = score_company(
        session,
        model,
        plan,
        AskedRun(at, run_id),
        accept=True,
        on_stage=silent,
        on_part=silent,
    )
    return night, kept(session.state.folder)


def kept(folder: Path) -> dict[str, bytes]:
    """Read what a run leaves in the state folder."""
    names = ["scores.parquet", "guard.json", *sorted(map(str, folder.glob("scores/*/*.parquet")))]
    return {str(Path(n).relative_to(folder) if n.startswith("/") else n): (folder / n).read_bytes()
            for n in names}  # fmt: skip


@pytest.fixture
def sessions(company, tmp_path) -> Callable[..., Session]:
    """Open the company with an empty state folder, as often as wanted."""

    def opened(name: str, file: Path = company.file, **overrides: object) -> Session:
        session = open_session(file, state=tmp_path / name, threads=1, overrides=overrides)
        session.state.folder.mkdir()
        return session

    return opened


@pytest.mark.parametrize("parts", [7, pytest.param(64, marks=pytest.mark.slow)])
def test_parts_are_the_whole_on_the_first_night_and_on_the_next(company, sessions, parts):
    whole, cut = sessions("whole", **RULES), sessions("cut", **RULES)
    lead = company.reading.tables.lead_ids[-1]
    for night in (0, 1):
        at, run = AT + night * DAY, f"r{night}"
        expected = scored(whole, company.model, PartsPlan(1), at=at, run_id=run)
        assert scored(cut, company.model, PartsPlan(parts), at=at, run_id=run) == expected
        assert expected[0].held > 0
        for session in (whole, cut):
            give_feedback(
                session.state.feedback,
                session.state.scores,
                lead=lead,
                verdict="disqualify",
                because="no budget",
                by="Ada",
                at=at,
                until=None,
                permanent=False,
            )


@settings(
    max_examples=3,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 1000), leads=st.integers(80, 200), parts=st.integers(2, 24))
def test_parts_are_the_whole_in_any_world(company, tmp_path, seed, leads, parts):
    folder = tmp_path / "drawn"
    shutil.rmtree(folder, ignore_errors=True)
    write_world(make_world("software_trial", leads, seed), folder, project=company.file)
    found = []
    for count in (1, parts):
        session = open_session(folder / company.file.name, state=folder / str(count), threads=1)
        session.state.folder.mkdir()
        found.append(scored(session, company.model, PartsPlan(count)))
    assert found[0] == found[1]


def test_processes_score_what_one_process_scores(company, sessions):
    expected = scored(sessions("whole"), company.model, PartsPlan(1))
    assert scored(sessions("cut"), company.model, PartsPlan(4, processes=2)) == expected


def test_a_rule_about_events_that_no_part_has_is_refused_as_in_the_whole(company, sessions):
    rule = {"qualification.stages": [{"name": "x", "when": "n_no_such_thing_30d >= 1"}]}
    for plan in (PartsPlan(1), PartsPlan(3)):
        session = sessions(f"of{plan.parts}", **rule)
        with pytest.raises(InputError, match="there is no 'n_no_such_thing_30d'"):
            scored(session, company.model, plan)
        assert not session.state.scores.exists()


# --- parts that others scored --------------------------------------------------------------------


@pytest.fixture
def folder_of_parts(company, tmp_path) -> Callable[[Session], Path]:
    def made(session: Session, of: int = 2) -> Path:
        folder = tmp_path / "parts"
        for number in range(1, of + 1):
            one_part(session, company.model, Part(number, of), folder)
        return folder

    return made


def one_part(session: Session, model, part: Part, folder: Path, as_of: str | None = None) -> None:
    score_one_part(
        session,
        model,
        part,
        folder,
        AskedRun(AT, "anything", as_of),
        on_stage=silent,
    )


def gathered(session: Session, model, folder: Path):
    return gather_parts(session, model, folder, run_id="r1", on_stage=silent)


def test_parts_scored_one_by_one_are_the_whole(company, sessions, folder_of_parts):
    expected = scored(sessions("whole"), company.model, PartsPlan(1))
    session = sessions("gathered")
    folder = folder_of_parts(session)
    assert (gathered(session, company.model, folder), kept(session.state.folder)) == expected


def _edit(folder: Path, old: str, new: str) -> None:
    path = folder / "part-002-of-002.json"
    path.write_text(path.read_text().replace(old, new))


WRONG = {
    "part 2/2 is missing": lambda folder: (folder / "part-002-of-002.json").unlink(),
    "part 1/2 is there twice": lambda folder: shutil.copy(
        folder / "part-001-of-002.json", folder / "part-001-of-002-again.json"
    ),
    "damaged": lambda folder: (folder / "part-001-of-002.parquet").write_bytes(b"PAR1"),
    "is missing; score part 1/2 again": lambda folder: (
        folder / "part-001-of-002.parquet"
    ).unlink(),
    "no manifest of a part": lambda folder: (folder / "part-001-of-002.json").write_text("{"),
    "differ in leadscore": lambda folder: _edit(folder, '"version": "', '"version": "9.'),
    "differ in the model": lambda folder: _edit(folder, '"model": "', '"model": "0'),
    "differ in the source data": lambda folder: _edit(folder, '"sources": "', '"sources": "0'),
    "differ in the moment": lambda folder: _edit(folder, '"as_of": 1', '"as_of": 2'),
    "of several cuts": lambda folder: _edit(folder, '"of": 2', '"of": 3'),
    "holds no part": lambda folder: [path.unlink() for path in folder.glob("*.json")],
}


def test_parts_that_make_no_run_are_refused_in_one_line_and_nothing_is_written(
    company, sessions, folder_of_parts, tmp_path
):
    session = sessions("refused")
    folder = folder_of_parts(session)
    for words, spoil in WRONG.items():
        spoiled = tmp_path / words.replace("/", " of ")
        shutil.copytree(folder, spoiled)
        spoil(spoiled)
        with pytest.raises(OutsideError, match=words) as refusal:
            gathered(session, company.model, spoiled)
        assert refusal.value.exit_code == 4
        assert "\n" not in str(refusal.value)
    other = replace(company.model, identity="f" * 16)
    with pytest.raises(OutsideError, match="differs in the model from this run"):
        gathered(session, other, folder)
    assert not session.state.scores.exists()
    assert not (session.state.folder / "guard.json").exists()
    kept = {path.name for path in session.state.folder.iterdir()}
    assert kept <= {session.state.store.name}  # a cache of what was read


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rows", "1"), ("rows", -1), ("as_of", [1]), ("as_of", 10**30), ("spread", []),
        ("spread", "\x1b]0;own\x07"), ("bands", float("nan")), ("bands", {"A": None}),
        ("older", [1]), ("top_band", ""), ("feeds", [[1]]), ("feeds", [{"name": "x"}]),
        ("number", True), ("of", 10**9), ("watched", {"source": "words"}), ("model", ["x"]),
    ],
)  # fmt: skip
def test_a_manifest_that_says_anything_is_refused_in_one_line(
    company, sessions, folder_of_parts, name, value
):
    session = sessions("hostile")
    folder = folder_of_parts(session)
    path = folder / "part-001-of-002.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))
    with pytest.raises(OutsideError, match="no manifest of a part"):
        gathered(session, company.model, folder)
    assert not (session.state.folder / "guard.json").exists()


HARMED = {
    "the column band is missing": lambda table: table.drop_columns(["band"]),
    "the column feature:age_days is missing": lambda table: table.drop_columns(
        ["feature:age_days"]
    ),
    "the column margin holds string": lambda table: _instead(table, "margin", "x"),
    "the column lead_id holds int64": lambda table: _instead(table, "lead_id", 1),
    "the column band holds list": lambda table: _instead(table, "band", [1]),
    "a column stands twice": lambda table: table.append_column("band", table["band"]),
    "rows, and its manifest counts": lambda table: table.slice(1),
    "differ in their columns": lambda table: table.append_column("more", table["band"]),
}


def _instead(table: pa.Table, name: str, cell: object) -> pa.Table:
    place = table.schema.get_field_index(name)
    return table.set_column(place, name, pa.array([cell] * len(table)))


@pytest.mark.parametrize("words", HARMED)
def test_rows_that_fit_their_hash_and_no_run_are_refused_before_anything_is_written(
    company, sessions, folder_of_parts, words
):
    session = sessions("hostile")
    folder = folder_of_parts(session)
    rows, manifest = folder / "part-001-of-002.parquet", folder / "part-001-of-002.json"
    pq.write_table(HARMED[words](pq.read_table(rows)), rows)
    said = json.loads(manifest.read_text()) | {"sha256": sha256_of(rows)}
    manifest.write_text(json.dumps(said))
    with pytest.raises(OutsideError, match=words):
        gathered(session, company.model, folder)
    assert not session.state.scores.exists()
    assert not session.state.runs.exists()
    assert not (session.state.folder / "guard.json").exists()


def test_a_run_in_parts_waits_for_no_other(company, sessions):
    from filelock import FileLock

    session = sessions("locked")
    with FileLock(session.state.parts_lock), pytest.raises(OutsideError, match="another run"):
        scored(session, company.model, PartsPlan(2))


def test_a_folder_of_parts_that_is_a_link_is_refused_and_nothing_behind_it_is_touched(
    company, sessions, tmp_path
):
    session = sessions("linked")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "part-of-my-life.txt").write_text("mine")
    session.state.parts.symlink_to(tmp_path / "mine")
    with pytest.raises(OutsideError, match="parts is a link"):
        scored(session, company.model, PartsPlan(2))
    with pytest.raises(OutsideError, match="parts is a link"):
        forget_lead(session.state, "anybody")
    assert (tmp_path / "mine" / "part-of-my-life.txt").read_text() == "mine"


def test_less_memory_makes_more_parts(sessions):
    session = sessions("planned")
    assert plan_parts(session, memory="8GB").whole
    assert plan_parts(session, parts="all", memory="8GB").parts == 1
    assert plan_parts(session, parts="12").parts == 12
    assert plan_parts(session, memory="256MiB").parts >= 1
    for wrong in ("0", "257", "many"):
        with pytest.raises(InputError, match="no number of parts"):
            plan_parts(session, parts=wrong)


def test_a_company_that_is_not_read_in_slices_is_said_and_why(company, sessions, monkeypatch):
    monkeypatch.setattr(slices, "WORTH_A_SLICE", 1)
    silently, _ = scored(sessions("sliced"), company.model, PartsPlan(3))
    assert silently.notes == ()
    asked = sessions("whole", **{"leads.repeated": "last"})
    night, _ = scored(asked, company.model, PartsPlan(3))
    assert [note.partition(": ")[2] for note in night.notes] == ["leads with `repeated`"]


def test_the_commands_score_parts_into_a_folder_and_gather_them(company, tmp_path):
    same = ("--model", str(company.model.folder), "--as-of", "2026-10-01", "--threads", "1")

    def score(name: str, *options: object, code: int = 0) -> str:
        state = ("--state", tmp_path / name)
        (tmp_path / name).mkdir(exist_ok=True)
        run = leadscore("score", company.file, *state, *options)
        assert run.code == code, run.err
        return run.err

    folder = tmp_path / "parts"
    for number in (1, 2):
        score("gathered", *same, "--part", f"{number}/2", "--out", folder)
        assert not (tmp_path / "gathered" / "scores.parquet").exists()
    score("gathered", *same[:2], "--gather", folder)
    score("whole", *same)
    found = [pq.read_table(tmp_path / n / "scores.parquet") for n in ("gathered", "whole")]
    its_own = ["run_id", "scored_at"]
    assert found[0].drop_columns(its_own).equals(found[1].drop_columns(its_own))

    assert "--gather and --as-of" in score("g", *same, "--gather", folder, code=2)
    assert "--part and --gather" in score("g", "--part", "1/2", "--gather", folder, code=2)
    assert "give --out" in score("g", "--part", "1/2", code=2)
    (folder / "part-002-of-002.json").unlink()
    assert "2/2" in score("g", *same[:2], "--gather", folder, code=4)
    assert not (tmp_path / "g" / "scores.parquet").exists()
