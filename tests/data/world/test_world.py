"""The simulated CRM: its truth is true, its tables hold none of it."""

import hashlib

import numpy as np
import pandas as pd
import pytest

from data.clock import DAY, NEVER
from data.errors import InputError
from data.world import make_world, write_world
from data.world.kinds import KINDS


def micros(column: pd.Series) -> np.ndarray:
    at = column.dt.tz_localize(None).to_numpy().astype("datetime64[us]").astype("int64")
    return np.where(column.isna(), NEVER, at)


def born_at(world) -> np.ndarray:
    deals = world.frames["opportunities"].query("stage != 'duplicate'")
    return micros(deals.set_index("lead_id")["created_at"].reindex(world.frames["leads"].lead_id))


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("age", [0, DAY // 3, DAY, int(9.7 * DAY), 30 * DAY])
def test_of_the_leads_at_p_a_share_of_p_converts(kind, age):
    world = make_world(kind, 6000, seed=4)
    created, born = world.truth.created_at, born_at(world)
    closed = micros(world.frames["leads"]["closed_at"])
    as_of, until = created + age, created + age + world.horizon
    seen = (until <= world.observed_until) & (born >= as_of) & (closed >= as_of)
    ids = world.frames["leads"]["lead_id"].to_numpy(object)[seen]
    p = world.truth.probability(ids, as_of[seen], until[seen])
    y = born[seen] < until[seen]
    for part in np.array_split(np.argsort(p, kind="stable"), 4):
        spread = np.sqrt(np.sum(p[part] * (1 - p[part])))
        assert abs(y[part].sum() - p[part].sum()) < 4 * spread + 1


def test_the_base_rate_is_the_one_asked_for():
    world = make_world("consulting", 20_000, seed=1, base_rate=0.03)
    created = world.truth.created_at
    mature = created + world.horizon <= world.observed_until
    rate = np.mean((born_at(world) < created + world.horizon)[mature])
    assert rate == pytest.approx(0.03, abs=0.006)


def test_a_longer_window_is_never_less_likely_and_events_move_the_truth():
    world = make_world("software_trial", 500, seed=0)
    ids = world.frames["leads"]["lead_id"].to_numpy(object)
    at = world.truth.created_at + 5 * DAY
    ladder = [world.truth.probability(ids, at, at + days * DAY) for days in (1, 2, 7, 30, 90, 200)]
    assert (np.diff(ladder, axis=0) >= -1e-12).all()
    assert np.allclose(world.truth.probability(ids, at, at), 0)
    assert len(np.unique(ladder[4].round(9))) > 400


def test_the_same_seed_makes_the_same_bytes_and_another_seed_others():
    def digest(seed: int) -> str:
        frames = make_world("digital_agency", 300, seed).frames
        text = "".join(frame.to_csv(index=False) for frame in frames.values())
        return hashlib.sha256(text.encode()).hexdigest()

    assert digest(5) == digest(5) != digest(6)


def test_no_table_holds_the_truth_and_every_signal_is_there():
    world = make_world("software_trial", 2000, seed=2)
    columns = {column for frame in world.frames.values() for column in frame}
    assert columns.isdisjoint({"fit", "push", "state", "p_hot", "probability"})
    touches = world.frames["touches"]
    assert set(touches["touch_type"]) >= {
        "form",
        "newsletter",
        "ebook",
        "webinar",
        "seminar",
        "chat",
        "phone",
        "pricing_page",
        "demo_request",
        "trial",
        "sales_email",
        "sales_call",
        "sales_meeting",
        "meeting_agreed",
    }
    assert set(touches["direction"]) == {"inbound", "outbound"}
    lag = (touches["ingested_at"] - touches["touch_at"]).dt.total_seconds()
    assert (lag > 0).all()
    assert 0.005 < (lag > 3600).mean() < 0.03
    assert set(world.frames["lead_history"]["field"]) == {"owner", "industry", "status"}


def test_history_replayed_from_today_leads_back_to_a_new_lead():
    world = make_world("consulting", 800, seed=3)
    leads = world.frames["leads"].set_index("lead_id")
    for field, changes in world.frames["lead_history"].groupby("field"):
        value = leads[field].copy()
        for change in changes.sort_values(
            "changed_at", ascending=False, kind="stable"
        ).itertuples():
            assert value[change.lead_id] == change.new
            value[change.lead_id] = change.old
        if field == "status":
            assert set(value) == {"new"}


def test_drift_lowers_the_later_leads():
    world = make_world("digital_agency", 8000, seed=1, drift=1.5)
    push = world.truth.leads["push"].to_numpy()
    half = len(push) // 2
    assert push[:half].mean() > push[half:].mean() + 0.5


def test_an_unknown_world_is_refused_and_a_known_one_written(tmp_path):
    with pytest.raises(InputError, match="choose one of"):
        make_world("bakery", 10, 0)  # type: ignore[arg-type]
    write_world(make_world("consulting", 50, 0), tmp_path / "w")
    assert (tmp_path / "w" / "touches.parquet").exists()
    write_world(make_world("consulting", 20, 0), tmp_path / "c", csv=True)
    assert (tmp_path / "c" / "leads.csv").read_text().startswith("lead_id,created_at")
