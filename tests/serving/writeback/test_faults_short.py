"""The short version of the proofs: kills, crowds, random schedules, broken builds."""

from __future__ import annotations

import random
import shutil
import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest

from serving.crm.http import retry_after
from serving.crm.interface import Busy, Denied
from serving.crm.rest.writer import RestCrm
from serving.crm.retries import RateLimit
from tests.fakes.faults_broken import BUILDS
from tests.fakes.faults_check import Verdict, control
from tests.fakes.faults_run import finish, run, scratch, start
from tests.fakes.faults_schedules import INVALID, LEADS, Stage, beset, conclude, crowd, pause, play


@pytest.fixture(scope="module")
def stage(failing_crm: str) -> Iterator[Stage]:
    """Score files of three nights, and a CRM that fails on purpose."""
    made = Stage(failing_crm, scratch())
    yield made
    shutil.rmtree(made.folder)


def faultless(verdict: Verdict) -> None:
    assert verdict.violations == 0, verdict


def test_a_healthy_night_writes_every_valid_lead_once(stage: Stage) -> None:
    stage.clear()
    assert run(stage.url, stage.job(0)).result == {"sent": len(LEADS) - len(INVALID)}
    faultless(conclude(stage, 0))


@pytest.mark.parametrize("share", range(12))
def test_kill_9_at_any_step_loses_and_repeats_nothing(stage: Stage, share: int) -> None:
    stage.clear()
    run(stage.url, stage.job(0))
    killed = run(stage.url, stage.job(1, kill_at=7 + 17 * share))
    assert killed.code in (-signal.SIGKILL, 0)
    faultless(conclude(stage, 1))


def test_four_runs_at_once_write_every_lead_once(stage: Stage) -> None:
    stage.clear()
    jobs = [stage.job(night) for night in (1, 0, 1, 1)]
    finish([start(stage.url, job) for job in jobs], jobs)
    faultless(conclude(stage, 1))


@pytest.mark.parametrize("seed", range(3))
def test_where_a_crm_has_no_versions_the_lease_keeps_runs_apart(stage: Stage, seed: int) -> None:
    faultless(crowd(stage, random.Random(seed), 4))


def test_without_the_lease_runs_write_over_each_other(stage: Stage) -> None:
    draw = random.Random(1)
    assert any(crowd(stage, draw, 4, broken=BUILDS["no_lease"]).violations for _ in range(10))


@pytest.mark.parametrize("seed", range(3))
def test_a_run_that_was_paused_until_its_lease_expired_writes_nothing_stale(
    stage: Stage, seed: int
) -> None:
    faultless(pause(stage, random.Random(seed)))


def test_without_the_fence_a_run_that_was_paused_writes_on(stage: Stage) -> None:
    draw = random.Random(1)
    assert any(pause(stage, draw, broken=BUILDS["no_fence"]).violations for _ in range(10))


@pytest.mark.parametrize("seed", range(8))
def test_random_schedules_lose_and_repeat_nothing(stage: Stage, seed: int) -> None:
    faultless(play(stage, seed))


@pytest.mark.parametrize("name", ["acknowledge_before_send", "no_bisect", "overwrite_people"])
def test_a_broken_build_is_caught(stage: Stage, name: str) -> None:
    assert any(play(stage, 10_000 + seed, broken=BUILDS[name]).violations for seed in range(40))


def test_sigterm_finishes_the_batch_and_leaves_the_rest_for_later(stage: Stage) -> None:
    stage.clear()
    stopped = run(stage.url, stage.job(0, term_at=100))
    assert stopped.code == 4
    assert "wait in the outbox" in (stage.state / "said.txt").read_text()
    faultless(conclude(stage, 0))


def test_a_full_disk_is_one_line_and_can_be_resumed(stage: Stage) -> None:
    stage.clear()
    assert run(stage.url, stage.job(0, file_limit=30_000)).code == 4
    assert "make room and run again" in (stage.state / "said.txt").read_text()
    faultless(conclude(stage, 0))


@pytest.mark.parametrize(
    ("mishap", "code"),
    [
        ("DNS failure", 0),
        ("TLS failure", 0),
        ("read-only folder", 4),
        ("model promoted mid-run", 0),
        ("lead twice in the input", 2),
    ],
)
def test_what_happens_to_a_run_is_survived(stage: Stage, mishap: str, code: int) -> None:
    stage.clear()
    job = beset(stage, random.Random(3), stage.job(0), mishap, 0)
    outcome = run(stage.url, job)
    assert (outcome.code, outcome.result.get("sent", 0)) == (code, 0 if code else 12)
    assert control(stage.url, "dump")["journal"] == [] or code == 0
    faultless(conclude(stage, 0))


def test_a_state_folder_that_is_none_is_one_line(stage: Stage) -> None:
    stage.clear()
    blocked = stage.state / "blocked"
    blocked.write_text("")
    assert run(stage.url, replace(stage.job(0), state=blocked)).code == 4


def test_a_schema_change_stops_the_run_and_nothing_is_lost(stage: Stage) -> None:
    stage.clear(bans_field="trend")
    outcome = run(stage.url, stage.job(0))
    assert outcome.code in (0, 4)
    control(stage.url, "plan", {"invalid": INVALID})
    faultless(conclude(stage, 0))


def test_wrong_rights_are_not_tried_again(failing_crm: str) -> None:
    control(failing_crm, "reset", {"leads": LEADS, "plan": {"rate": 1.0, "faults": ["403 field"]}})
    crm = RestCrm(failing_crm, ("127.0.0.1",), ("user", "password"))
    with pytest.raises(Denied, match="field score: no permission"):
        crm.read_scores(LEADS)
    crm.close()


def test_nobody_listening_and_an_unknown_host_are_busy_not_lost() -> None:
    for url in ("http://127.0.0.1:9", "http://no-such-host.invalid"):
        crm = RestCrm(url, ("127.0.0.1", "no-such-host.invalid"), ("user", "password"))
        with pytest.raises(Busy):
            crm.read_scores(["L001"])
        crm.close()


def test_plain_http_behind_a_tls_address_is_busy_not_lost(failing_crm: str) -> None:
    url = failing_crm.replace("http://", "https://")
    crm = RestCrm(url, ("127.0.0.1",), ("user", "password"))
    with pytest.raises(Busy):
        crm.read_scores(["L001"])
    crm.close()


@pytest.mark.parametrize(
    ("text", "seconds"), [("3", 3.0), ("", None), ("x", None), ("9999", 600.0)]
)
def test_retry_after_is_read(text: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": text}) == seconds


def test_requests_keep_to_the_rate_budget() -> None:
    waits: list[float] = []
    rate_limit = RateLimit(10.0, waits.append)
    for _ in range(5):
        rate_limit.wait()
    assert sum(waits) >= 0.1 * (1 + 2 + 3 + 4) - 0.1
