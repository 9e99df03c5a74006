"""What a manager reads on the live pages: figures, verdicts and words that agree."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from serving.worklist.view import ReportView
from serving.worklist.view_figures import Doubt
from tests.fakes.live_site import Site, make_site, visit
from tests.fakes.report_view import make_view


@pytest.fixture(scope="module")
def whole() -> ReportView:
    return make_view(90, owners=3, top_per_owner=1000)


def manager_of(folder: Path, view: ReportView, language: str = "en") -> Site:
    site = make_site(folder, view)
    site.add("boss", "manager", language=language)
    return site


def read(site: Site, *paths: str) -> list[str]:
    """Read pages as a person does: no marks, single spaces."""

    async def walk(client: httpx.AsyncClient) -> list[str]:
        return [plain((await client.get(path)).text) for path in paths]

    found: list[str] = visit(site, "boss", walk)
    return found


def plain(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", html)).replace("&#39;", "'")


@pytest.mark.parametrize(
    ("doubt", "badge", "answer"),
    [
        ("flat", "percentages too cautious", "the best leads convert more often than promised"),
        ("steep", "percentages too bold", "the best leads convert less often than promised"),
        ("low", "percentages too low", "more leads convert than promised"),
        ("high", "percentages too high", "fewer leads convert than promised"),
    ],
)
def test_today_and_proof_give_one_verdict_with_its_direction_and_what_to_do(
    tmp_path: Path, whole: ReportView, doubt: Doubt, badge: str, answer: str
) -> None:
    assert whole.trust is not None
    kept = tuple(band for band in whole.trust.bands if band.kept)
    trust = replace(whole.trust, verdict="care", doubt=doubt, bands=kept)
    today, proof = read(manager_of(tmp_path, replace(whole, trust=trust)), "/today", "/proof")
    assert badge in today
    assert badge in proof
    assert answer in proof
    assert "What to do: work by the order." in proof
    assert "kept their promise" not in proof
    assert "with few scores the range is wide" in proof


def test_the_rule_of_the_letters_stands_beside_their_scale(
    tmp_path: Path, whole: ReportView
) -> None:
    rule = "A lead changes its letter only 2 points past a border"
    said = replace(whole, about=replace(whole.about, band_margin=2.0))
    today, lead = read(manager_of(tmp_path / "two", said), "/today", "/lead/L-00001")
    assert rule in today
    assert lead.count(rule) == 2  # under the scale, and at the foot as on every page
    (today,) = read(manager_of(tmp_path / "none", whole), "/today")
    assert "changes its letter" not in today


def test_a_fixed_field_is_called_no_event(tmp_path: Path, whole: ReportView) -> None:
    assert whole.movers is not None
    first, *others = whole.movers.rises
    line = next(line for line in first.lines if line.reason is not None)
    fixed = replace(line, kind="events", together=True)
    movers = replace(whole.movers, rises=(replace(first, lines=(fixed,)), *others))
    (changes,) = read(manager_of(tmp_path, replace(whole, movers=movers)), "/changes")
    assert "read together with new events" in changes
