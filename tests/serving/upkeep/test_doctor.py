"""`leadscore doctor` finds what is wrong in a state folder, and `--fix` does what is safe."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.serving.upkeep.conftest import Kept
from training.registry import Registry
from training.state_format import FORMAT


def findings(kept: Kept, *options: str) -> tuple[int, dict[str, list[dict[str, str]]]]:
    said = kept.run("doctor", "--json", *options)
    by_check: dict[str, list[dict[str, str]]] = {}
    for each in json.loads(said.out)["findings"]:
        by_check.setdefault(each["check"], []).append(each)
    return said.code, by_check


def test_a_healthy_folder_has_nothing_wrong(kept: Kept) -> None:
    code, found = findings(kept)
    assert code == 0
    assert {each["condition"] for all_ in found.values() for each in all_} <= {"fine", "advice"}
    assert "loads, every hash is right" in found["registry"][0]["words"]
    assert "the chain of the audit log holds" in found["ledger"][0]["words"]


def test_a_project_without_a_state_folder_is_told_to_train(kept: Kept, tmp_path: Path) -> None:
    code, found = findings(Kept(kept.file, tmp_path / "none"))
    assert (code, [*found]) == (0, ["state folder"])
    assert not (tmp_path / "none").exists()


def test_a_state_folder_beside_the_project_file_is_named(kept: Kept, tmp_path: Path) -> None:
    """Found by an operator: a doctor called from another folder was content with an empty one."""
    beside = kept.file.parent / ".leadscore" / "software_trial"
    beside.mkdir(parents=True)
    code, found = findings(Kept(kept.file, tmp_path / "none"))
    assert (code, found["state folder"][0]["condition"]) == (3, "wrong")
    assert str(beside) in found["state folder"][0]["cure"]


def test_a_folder_that_cannot_be_written_is_wrong(kept: Kept) -> None:
    """Found by a new user: every check of a read-only folder was fine."""
    command = [sys.executable, "-c", "from leadscore import main; main()", "doctor", "--json"]
    command += [str(kept.file), "--state", str(kept.state)]
    if os.geteuid() == 0:  # rights do not bind root: a mount of its own does
        ro = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
        command = ["unshare", "-m", "sh", "-c", ro, str(kept.state), *command]
        if subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode:
            pytest.skip("no mount of its own here")
    else:
        kept.state.chmod(0o500)
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    found = {each["check"]: each for each in json.loads(said.stdout)["findings"]}
    assert (said.returncode, found["state folder"]["condition"]) == (3, "wrong"), said.stderr
    assert "can't be written" in found["state folder"]["words"]


def test_a_database_that_could_not_be_looked_at_is_not_called_damaged(kept: Kept) -> None:
    """Found by an operator: on a full disk the doctor told to restore over a sound ledger."""
    ledger = kept.state / "ledger.sqlite"
    with closing(sqlite3.connect(ledger)) as held:
        held.execute("pragma locking_mode = exclusive")
        held.execute("begin exclusive")
        _, found = findings(kept)
    wrong = [each for each in found["databases"] if each["condition"] == "wrong"]
    assert [each["words"] for each in wrong] == ["ledger.sqlite: database is locked"]
    assert "restore" not in wrong[0]["cure"]


def flip(path: Path, at: int, count: int = 1) -> None:
    raw = bytearray(path.read_bytes())
    raw[at : at + count] = bytes(each ^ 0xFF for each in raw[at : at + count])
    path.write_bytes(raw)


def break_chain(kept: Kept) -> None:
    with closing(sqlite3.connect(kept.state / "ledger.sqlite")) as ledger, ledger:
        ledger.execute("update audit set body = replace(body, 'written', 'writtem')")


def cut_chain(kept: Kept) -> None:
    with closing(sqlite3.connect(kept.state / "ledger.sqlite")) as ledger, ledger:
        ledger.execute("update audit set body = ''")


def break_pages(kept: Kept) -> None:
    kept.run("doctor")  # the migration drops pages of November; these came after it
    page = kept.state / "pages" / "20261129T214707Z-b4a76c79" / "pages.sqlite"
    page.parent.mkdir(parents=True)
    page.write_bytes(b"no database" * 99)


def open_to_all(kept: Kept) -> None:
    kept.run("doctor")  # the migration closes it; somebody opens it again
    kept.state.chmod(0o755)


@pytest.mark.parametrize(
    ("harm", "check", "words"),
    [
        (lambda k: next(k.state.rglob("parts.json")).write_text("{}"), "registry", "parts.json"),
        (lambda k: flip(next(k.state.rglob("facts.json")), 5), "registry", "facts.json"),
        (lambda k: flip(k.state / "feedback.db", 4096, 40), "databases", "feedback.db"),
        (break_pages, "databases", "pages.sqlite"),
        (break_chain, "ledger", "the audit log was changed at entry 1"),
        (cut_chain, "ledger", "the audit log was cut"),
        (lambda k: (k.state / "scores.parquet").write_bytes(b"x"), "scores", "cannot be read"),
        (lambda k: (k.state / "api_keys.json").write_text("[]"), "API keys", "must map"),
        (lambda k: (k.state / "guard.json").write_text("{"), "scores", "guard.json can't be read"),
        (open_to_all, "rights", "others may open"),
    ],
)
def test_what_is_wrong_is_named_and_ends_with_3(
    kept: Kept, harm: Callable[[Kept], object], check: str, words: str
) -> None:
    harm(kept)
    code, found = findings(kept)
    assert code == 3
    assert [
        each for each in found[check] if each["condition"] == "wrong" and words in each["words"]
    ]


def test_fix_takes_rights_away_and_removes_what_killed_jobs_left(kept: Kept) -> None:
    open_to_all(kept)
    part = kept.state / "scores" / ".x.parquet.abc.part"
    part.write_text("L0000001")
    for path in (kept.state / "scores.parquet", kept.state / "scores"):
        path.chmod(0o755)
    code, found = findings(kept, "--fix")
    assert (code, part.exists()) == (0, False)
    assert "unfinished files" not in found
    modes = [path.stat().st_mode for path in (kept.state, *kept.state.rglob("*"))]
    assert not [mode for mode in modes if mode & 0o077]


def test_fix_ends_runs_and_removes_versions_of_killed_trainings(kept: Kept) -> None:
    registry = Registry.of(kept.paths, "software_trial")
    with registry._tracking() as client:
        known = client.get_model_version("software_trial", "1")
        run = client.create_run(client.get_experiment_by_name("software_trial").experiment_id)
        client.create_model_version("software_trial", known.source, run.info.run_id)
    code, found = findings(kept)
    assert code == 0
    assert any("left by a killed training" in each["words"] for each in found["registry"])
    assert registry.running_runs() == [run.info.run_id]
    findings(kept, "--fix")
    assert registry.running_runs() == []
    assert [version for version, _, _ in registry.versions()] == ["1"]
    assert registry.champion() is not None


def test_a_training_that_registers_right_now_is_left_alone(kept: Kept) -> None:
    from filelock import FileLock

    registry = Registry.of(kept.paths, "software_trial")
    with registry._tracking() as client:
        run = client.create_run(client.get_experiment_by_name("software_trial").experiment_id)
    with FileLock(kept.paths.publish_lock):
        _, found = findings(kept, "--fix")
    assert any("registers right now" in each["words"] for each in found["registry"])
    assert registry.running_runs() == [run.info.run_id]


def test_a_folder_of_november_is_closed_to_others_and_numbered(kept: Kept) -> None:
    kept.state.chmod(0o755)
    assert not kept.paths.format.exists()
    assert kept.run("doctor").code == 0
    assert json.loads(kept.paths.format.read_text()) == {"format": FORMAT}
    assert stat.S_IMODE(kept.state.stat().st_mode) == 0o700


@pytest.mark.parametrize("number", [2, 3])
def test_live_pages_of_an_older_layout_go_and_the_next_report_writes_them(
    kept: Kept, number: int
) -> None:
    older = kept.paths.pages / "r1" / "pages.sqlite"
    older.parent.mkdir(parents=True)
    older.write_bytes(b"of other tables")
    kept.state.chmod(0o700)
    kept.paths.format.write_text(json.dumps({"format": number}))
    assert kept.run("doctor").code == 0
    assert json.loads(kept.paths.format.read_text()) == {"format": FORMAT}
    assert not kept.paths.pages.exists()
    assert kept.run("report", "--out", str(kept.state.parent / "reports")).code == 0
    assert len(list(kept.paths.pages.glob("*/pages.sqlite"))) == 1


def test_a_folder_of_a_later_leadscore_is_refused_by_every_verb(kept: Kept) -> None:
    kept.paths.format.write_text(json.dumps({"format": FORMAT + 1}))
    before = sorted(kept.state.rglob("*"))
    for verb in ("doctor", "score", "backup", "write-back"):
        said = kept.run(verb)
        assert said.code == 2
        assert "run the leadscore that wrote it, or a newer one" in said.err
    assert sorted(kept.state.rglob("*")) == before
    kept.paths.format.write_text("{")
    assert kept.run("doctor").code == 4


def test_what_commands_write_is_its_users_alone_and_reports_follow_their_folder(
    kept: Kept, tmp_path: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in kept.state.rglob("*")}
    out = tmp_path / "www"
    out.mkdir(mode=0o755)
    out.chmod(0o755)
    assert kept.run("score").code == 0
    assert kept.run("report", "--out", out, "--lang", "en").code == 0
    written = [
        path for path in kept.state.rglob("*") if path.stat().st_mtime_ns != before.get(path)
    ]
    assert len(written) > 3
    new = [path for path in written if path not in before]
    assert [path for path in new if path.stat().st_mode & 0o077] == []
    assert stat.S_IMODE((out / "report-en.html").stat().st_mode) == 0o644
