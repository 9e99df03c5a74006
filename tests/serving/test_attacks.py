"""A short attack in process: damaged requests and project files crash and freeze nothing.

`make bench-attack` does the same with 10,000 of each, and kills, and backups while jobs run.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from data.errors import LeadScoreError
from data.project import load_project
from serving.http.application import create_app
from serving.http.guard import Limits
from serving.http.keys import digest
from serving.qualify.engine import compile_rules
from tests.fakes.asgi_calls import RawRequest, attack
from tests.fakes.damaged_projects import damaged_projects
from tests.fakes.damaged_requests import damaged_requests
from tests.fakes.november_state import November, good_request

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples").glob("*.toml"))
KEY = "ls_attack"


def test_damaged_requests_are_answered_and_hold_nobody_up(tmp_path: Path) -> None:
    company = November.unpack(tmp_path)
    limits = Limits(requests_per_second=1e9, burst=10**9)
    app = create_app(company.service(), {"attack": digest(KEY)}, limits)
    good, leads = good_request(company)
    head = ((b"authorization", f"Bearer {KEY}".encode()),)
    warm = [RawRequest("GET", path, b"", head) for path in ("/openapi.json", "/metrics")]
    attack(app, warm)
    found = attack(app, damaged_requests(good, KEY, leads, 400, seed=5))
    assert found.crashes == []
    assert found.statuses.get(200, 0) > 5
    assert found.longest_s < 0.1, found.longest_by


@pytest.mark.checkout
def test_damaged_project_files_are_refused_in_one_line(tmp_path: Path) -> None:
    good = [path.read_text(encoding="utf-8") for path in EXAMPLES]
    file = tmp_path / "acme.toml"
    refusals: list[LeadScoreError] = []
    for raw in damaged_projects(good, 400, seed=5):
        file.write_bytes(raw)
        try:
            compile_rules(load_project(file))
        except LeadScoreError as error:
            refusals.append(error)
    assert len(refusals) > 200
    assert [str(error) for error in refusals if "\n" in str(error) or error.exit_code != 2] == []
