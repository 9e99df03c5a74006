"""State folder and model files of November 2026, as Python 3.11 made them, still serve.

Two archives in tests/fixtures, never to be made again: later versions must read what these hold.
state_2026_11.tar.xz is `leadscore demo --leads 700 --seed 0` run in a folder `demo` (its model is
linear), with two answers by `leadscore feedback`. model_2026_11.tar.xz is a model with trees and
word columns (`leadscore train trees.toml --fast`), its simulated leads, and the scores it gave.
"""

from __future__ import annotations

import json
import shutil
import tarfile
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.golden.product import leadscore

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
OF_THE_RUN = {"run_id", "scored_at", "model_version"}
WORDS = {"text", "fact"}
MOST_REASONS = 14


def unpack(name: str, folder: Path) -> Path:
    with tarfile.open(FIXTURES / f"{name}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return unpack("state_2026_11", tmp_path_factory.mktemp("november")) / "demo"


def answer(verb, demo, *arguments):
    project = demo / "data" / "software_trial.toml"
    given = leadscore(verb, project, *arguments, "--state", demo / "state")
    assert given.code == 0, given.err
    return given.out


def scores(path):
    """Read scores by column: what a run shares with no other and what is said in words left out."""
    table = pq.read_table(path)
    columns = {name: table[name].to_pylist() for name in table.column_names}
    columns["reasons"] = [
        [{key: part for key, part in reason.items() if key not in WORDS} for reason in row]
        for row in columns["reasons"]
    ]
    return {name: values for name, values in columns.items() if name not in OF_THE_RUN}


def assert_same_scores(found, expected, *, of_then=()):
    """Compare by column; columns `of_then` said something else then."""
    found, expected = scores(found), scores(expected)
    assert found.keys() >= expected.keys()  # newer columns say more
    ruled = [rule is not None for rule in expected["rule"]]  # they had a band then
    found["band"] = [
        then if out else now
        for now, then, out in zip(found["band"], expected["band"], ruled, strict=True)
    ]
    for name, values in expected.items():
        if name == "as_of" and values[0].year == 1970:
            continue  # rows without a clock bore the epoch, now the moment of scoring
        if name in of_then:
            continue
        if isinstance(values[0], float):
            assert found[name] == pytest.approx(values, rel=1e-12, abs=1e-12), name
        else:
            assert found[name] == values, name


def test_the_champion_of_then_scores_as_it_did(demo, tmp_path):
    answer("score", demo, "--out", tmp_path / "scores.parquet")
    kept = sorted((demo / "state" / "scores").glob("*/scores.parquet"))[0]
    assert_same_scores(tmp_path / "scores.parquet", kept, of_then=("trend", "reasons"))
    found, then = scores(tmp_path / "scores.parquet"), scores(kept)
    for reasons, before in zip(found["reasons"], then["reasons"], strict=True):
        assert_reasons_of_then_stand(reasons, before)
    told = [sum(reason["points"] for reason in reasons) for reasons in found["reasons"]]
    parts = ("typical", "unseen_points", "rest_points", "limit_points")
    sums = zip(told, *(found[part] for part in parts), strict=True)
    assert [sum(each) for each in sums] == then["score"]


def assert_reasons_of_then_stand(reasons, before):
    """Five for and five against were listed then, now the fourteen largest of both."""
    factors = [reason["factor"] for reason in before]
    now = [reason["factor"] for reason in reasons]
    assert [each for each in reasons if each["factor"] in factors] == [
        each for each in before if each["factor"] in now
    ]
    least = min((abs(reason["points"]) for reason in reasons), default=0)
    gone = [reason for reason in before if reason["factor"] not in now]
    assert not gone or len(reasons) == MOST_REASONS
    assert all(abs(reason["points"]) <= least for reason in gone)


def moved(points):
    return "rising" if points >= 3 else "falling" if points <= -3 else "steady"


def test_its_trend_is_that_of_whole_points_within_the_last_week(demo, tmp_path):
    """It was that of exact points within two weeks; both moments are scored here by the command."""
    copy = shutil.copytree(demo, tmp_path / "demo")
    answer("score", copy, "--out", tmp_path / "now.parquet")
    now = scores(tmp_path / "now.parquet")
    week_ago = (now["as_of"][0] - timedelta(days=7)).isoformat()
    answer("score", copy, "--as-of", week_ago, "--accept", "--out", tmp_path / "then.parquet")
    then = scores(tmp_path / "then.parquet")
    earlier = dict(zip(then["lead_id"], then["score"], strict=True))
    for lead, score, trend in zip(now["lead_id"], now["score"], now["trend"], strict=True):
        assert trend == (moved(score - earlier[lead]) if lead in earlier else "new"), lead
    assert set(now["trend"]) == {"new", "rising", "falling", "steady"}


def test_a_model_with_trees_scores_within_a_trillionth_on_every_python(tmp_path):
    trees = unpack("model_2026_11", tmp_path) / "trees"
    given = leadscore(
        "score",
        trees / "trees.toml",
        "--state",
        tmp_path / "state",
        "--model",
        trees / "model",
        "--out",
        tmp_path / "new.parquet",
    )
    assert given.code == 0, given.err
    assert_same_scores(tmp_path / "new.parquet", trees / "scores.parquet")


def test_the_champion_of_then_is_followed_by_one_more_and_no_further(demo, tmp_path):
    copy = shutil.copytree(demo, tmp_path / "demo")
    assert "retrained" not in json.loads(answer("retrain", copy, "--json"))  # less was hashed then
    assert json.loads(answer("retrain", copy, "--json"))["retrained"] is False


def test_the_ledger_of_then_knows_what_the_crm_acknowledged(demo):
    said = json.loads(answer("write-back", demo, "--dry-run", "--json"))
    counts = (said["sent"], said["unchanged"], said["waiting"])
    assert counts == (9, 203, 0)  # 9 are out by a rule, and have no band now


def test_answers_of_then_are_kept_and_counted_on(demo):
    said = answer("feedback", demo, "L0000187", "note", "--because", "called again")
    assert said.startswith("answer 3 stored")
