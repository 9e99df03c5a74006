"""Loop 3, with commands alone: a lead is scored, closes, comes back and is worked again."""

from __future__ import annotations

import base64
import csv
import json
import re
import shutil
import sqlite3
import zlib
from contextlib import closing
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from data.world import make_world, write_world
from tests.fakes.company_months import export_until
from tests.golden.product import Run, leadscore

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "software_trial.toml"
CLOSES, RETURNS = "2026-10-04T09:00:00", "2026-10-09T15:00:00"


def company_with_returns(folder: Path) -> Path:
    """Simulate a company where a third of the closed leads ask for a demo later; some convert."""
    write_world(make_world("software_trial", 1000, 7), folder, project=EXAMPLE)
    file = folder / EXAMPLE.name
    text = file.read_text("utf-8")
    text = text.replace(
        'horizon = "90d"', 'horizon = "90d"\nreopen = ["demo_request"]\nquiet = "2d"'
    )
    text = text.replace('type = ["touch_type"]', 'type = ["touch_type"]\noutcome = ["not_now"]')
    file.write_text(text, "utf-8")
    rng = np.random.default_rng(0)
    leads = pd.read_parquet(folder / "leads.parquet")
    lost = leads[leads["closed_at"].notna() & (rng.random(len(leads)) < 0.33)]
    back = lost["closed_at"] + pd.to_timedelta(rng.uniform(5, 60, len(lost)), "D")
    add_touches(folder, lost["lead_id"], "demo_request", back)
    won = rng.random(len(lost)) < 0.2
    deals = pd.read_parquet(folder / "opportunities.parquet")
    more = deals.iloc[np.arange(won.sum()) % len(deals)].assign(
        lead_id=lost["lead_id"].to_numpy()[won],
        created_at=(back[won] + pd.Timedelta(days=10)).to_numpy(),
    )
    pd.concat([deals, more]).to_parquet(folder / "opportunities.parquet", index=False)
    return folder


def add_touches(folder: Path, leads: pd.Series, word: str, at: pd.Series) -> None:
    touches = pd.read_parquet(folder / "touches.parquet")
    more = touches.iloc[np.arange(len(leads)) % len(touches)].assign(
        touch_id=[f"{word}-{lead}" for lead in leads],
        lead_id=leads.to_numpy(),
        touch_type=word,
        direction="inbound",
        touch_at=at.to_numpy(),
        ingested_at=at.to_numpy(),
    )
    pd.concat([touches, more]).to_parquet(folder / "touches.parquet", index=False)


def let_it_close_and_return(whole: Path, lead: str) -> None:
    """Give one lead its story: "not now" on 4 October, a demo request on the 9th."""
    for name, column in (("leads", "closed_at"), ("opportunities", None)):
        table = pd.read_parquet(whole / f"{name}.parquet")
        mine = table["lead_id"] == lead
        table = table[~mine] if column is None else table.assign(closed_at=table[column].mask(mine))
        table.to_parquet(whole / f"{name}.parquet", index=False)
    for word, at in (("not_now", CLOSES), ("demo_request", RETURNS)):
        moment = pd.Series([pd.Timestamp(at, tz="UTC")])
        add_touches(whole, pd.Series([lead]), word, moment)


def crm_score(state: Path, lead: str) -> int | None:
    with closing(sqlite3.connect(state / "crm.sqlite")) as crm:
        row = crm.execute("select score from leads where lead_id = ?", (lead,)).fetchone()
    return None if row is None else row[0]


def rows_of_list(page: str) -> list[str]:
    """Read every row of the list, as the browser inflates them: its words without the marks."""
    chunks = re.findall(r'id="r\d+">([^<]+)</script>', page)
    rows = "".join(zlib.decompress(base64.b64decode(chunk)).decode() for chunk in chunks)
    return [plain(row) for row in rows.split("</tr>")]


def plain(html: str) -> str:
    return unescape(re.sub(r"<[^>]+>", "", html))


def called(line: dict[str, str]) -> str:
    """Say by which name the list calls a lead of the sheet."""
    return line["person"] or line["name"] or line["lead_id"]


def test_a_lead_that_closes_and_comes_back_is_scored_shown_and_written_back(tmp_path: Path) -> None:
    whole = company_with_returns(tmp_path / "whole")
    data, state, report = tmp_path / "data", tmp_path / "state", tmp_path / "report"

    def run(verb: str, *options: object) -> Run:
        return leadscore(verb, file, *options, "--state", state)

    def scored(lead: str) -> dict[str, object] | None:
        table = pq.read_table(state / "scores.parquet", filters=[("lead_id", "=", lead)])
        return table.to_pylist()[0] if table.num_rows else None

    file = export_until(whole, data, "2026-10-02")
    assert run("train", "--fast").code in (0, 3)  # 3: points by rule are champion
    assert "came back after they were closed" in leadscore("check", file).out
    assert run("score").code == 0
    assert run("write-back").code == 0
    first = pq.read_table(state / "scores.parquet").to_pandas()
    known = first[first["rule"].isna() & (first["episode"] == 1) & (first["score"] < 60)]
    lead = str(known["lead_id"].iloc[0])
    before = crm_score(state, lead)
    assert before == known["score"].iloc[0]
    let_it_close_and_return(whole, lead)
    older = shutil.copytree(data, tmp_path / "older")

    file = export_until(whole, data, "2026-10-06")  # "not now": it is closed
    assert run("score", "--accept").code == 0
    assert scored(lead) is None
    assert run("write-back").code == 0
    assert crm_score(state, lead) == before
    assert "not open" in run("explain", lead).err

    file = export_until(whole, data, "2026-10-10")  # it asked for a demo
    assert run("score", "--accept").code == 0
    back = scored(lead)
    assert back is not None
    assert (back["episode"], str(back["back_at"])[:19]) == (2, RETURNS.replace("T", " "))
    assert back["trend"] == "new"
    assert run("report", "--lang", "en", "--deliver", "--out", report).code == 0
    page = (report / "report-en.html").read_text("utf-8")
    with (report / "leads.csv").open(encoding="utf-8-sig", newline="") as sheet:
        line = next(each for each in csv.DictReader(sheet) if each["lead_id"] == lead)
    lane = page[page.index('id="lane-back"') :]
    first = lane[: lane.index("</li>", lane.index("<li>"))]
    for words in (called(line), "back since", "asked for a demo"):
        assert words in plain(first), words  # the latest return stands first
    row = next(row for row in rows_of_list(page) if called(line) in row and "Back again" in row)
    assert re.search(r"closed on [^:]*\b4\b[^:]*: not now", row)
    assert line["back_by"] == "demo_request"
    assert line["closed_because"] == "not_now"
    moments = [moment[:16].replace("T", " ") for moment in (CLOSES, RETURNS)]
    assert [line["closed_at"], line["back_at"]] == moments
    assert json.loads(run("write-back", "--json").out)["sent"] >= 1
    assert crm_score(state, lead) == back["score"]
    assert json.loads(run("explain", lead, "--json").out)["episode"] == 2

    assert run("score", "--as-of", "2026-10-02", "--accept").code == 0  # its score of then
    sent = json.loads(run("write-back", "--json").out)
    assert sent["stale"] >= 1
    assert crm_score(state, lead) == back["score"]
    file = older / EXAMPLE.name  # a file of before the close, read as of a later day
    text = file.read_text("utf-8")
    file.write_text(text.replace('observed_until = "2026-10-02"', 'observed_until = "2026-10-12"'))
    assert run("score", "--accept").code == 0
    late = scored(lead)
    assert late is not None
    assert late["episode"] == 1
    assert run("write-back").code == 0
    assert crm_score(state, lead) == back["score"]
