# %% [markdown]
# # 1. A tour: from CRM tables to one explained lead
#
# Pandas frames go in, pandas frames come out. The CRM is simulated, so that this runs anywhere;
# your own tables take the same road.

# %%
# %matplotlib inline
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from data.asof import known_before
from data.delay import delay_curve
from data.labels import open_snapshots
from data.project import load_project
from data.reading.read_tables import read_tables, undeclared_columns
from data.world import make_world, write_world
from features.build import build
from models.explain.reasons import explain
from models.explain.sentences import render, render_fact
from training.audit import audit
from training.evaluation_plots import plot_delay, plot_reliability
from training.train import train

pd.set_option("display.max_colwidth", 100)

# %% [markdown]
# ## The tables
#
# A company sells software with a free trial. Five tables, as a CRM exports them.

# %%
world = make_world("software_trial", 1500, seed=7)
frames = {
    "leads": world.frames["leads"],
    "join.0": world.frames["accounts"],
    "history.0": world.frames["lead_history"],
    "events.0": world.frames["touches"],
    "conversion": world.frames["opportunities"],
}
frames["leads"].iloc[:3, :12]

# %%
frames["events.0"].head()

# %% [markdown]
# The project file says what the columns are, and above all *since when* each was known. Outcomes
# are kept apart from the tables: nothing that builds features can reach a label.

# %%
PROJECT = "../examples/software_trial.toml"
project = load_project(PROJECT)
tables, outcomes = read_tables(project, frames=frames)


def clock(attribute):
    if attribute.changes is not None:
        return "replayed from the field history"
    return "fixed at creation" if attribute.known_at is None else "known from a date on"


pd.DataFrame([(a.name, a.kind, clock(a)) for a in tables.attributes],
             columns=["attribute", "kind", "clock"]).set_index("attribute")

# %% [markdown]
# Cut the CRM at any moment and you hold exactly what was known strictly before it.

# %%
moments = pd.date_range("2026-02-01", "2026-11-01", freq="3MS", tz="UTC")
pd.DataFrame({
    "events known": [len(known_before(tables, t.value // 1000).events) for t in moments],
    "opportunities so far": [int((outcomes.converted_at < t.value // 1000).sum()) for t in moments],
}, index=moments.date)

# %% [markdown]
# How long does a lead take? The horizon must cover most of what will ever convert.

# %%
plot_delay(delay_curve(tables, outcomes, project))

# %% [markdown]
# ## What may leak
#
# A column that nobody declared is no feature. Each gets a guess, a reason, and the line to add.

# %%
folder = tempfile.TemporaryDirectory()
write_world(world, folder.name, project=PROJECT)
undeclared = undeclared_columns(load_project(Path(folder.name) / "software_trial.toml"))
pd.DataFrame(undeclared)[["name", "guess", "reason", "line"]]

# %% [markdown]
# The audit looks at all the rest: clocks, labels, folds, and every column on its own. In D4 stands
# what an undeclared column *would have* promised.

# %%
report = audit(tables, outcomes, project, seed=0, raw=frames["leads"], reviews=undeclared)
pd.DataFrame(report.verdicts)[["column", "detector", "severity", "figure", "reason"]]

# %% [markdown]
# Now plant a leak, the usual way: a success manager is assigned once there is an opportunity, and
# somebody declares that column to be known from the beginning.

# %%
rng = np.random.default_rng(0)
won = frames["leads"]["lead_id"].isin(frames["conversion"]["lead_id"])
manager = np.where(won & (rng.random(len(won)) < 0.9), rng.choice(["Ada", "Bo"], len(won)), None)
leaky_frames = frames | {"leads": frames["leads"].assign(success_manager=manager)}
leaky = load_project(
    PROJECT, overrides={"leads.fixed": [*project.leads.fixed, "success_manager"]}
)
caught = audit(*read_tables(leaky, frames=leaky_frames), leaky, seed=0)
pd.DataFrame(caught.verdicts).query("column == 'success_manager'").drop(columns="waived_by")

# %% [markdown]
# It is in quarantine, and with it the count of missing answers, which now knows it too. Training
# goes on without them until somebody signs a waiver in the project file.

# %%
caught.quarantined

# %% [markdown]
# ## Training
#
# One call labels, cuts in time, audits, fits the candidates, calibrates and evaluates beside the
# baselines. `fast=True` leaves out the tuning.

# %%
trained = train(project, tables, outcomes, seed=0, threads=1, fast=True)
figures = trained.evaluation.metrics
figures.pivot(index="model", columns="metric", values="value")[["auc", "log_loss", "skill"]].round(3)

# %%
trained.evaluation.verdicts.round(4)

# %% [markdown]
# Does 20 % mean 20 %? Promised against observed, on leads younger than any that was learned from.

# %%
plot_reliability(trained.evaluation)

# %% [markdown]
# ## One lead explained
#
# Score every open lead with what is known today.

# %%
now = open_snapshots(tables, outcomes, tables.observed_until)
X = build(tables, now, trained.dataset.frame.catalogue).to_pandas()
scores = trained.scorer.score(X)
today = pd.DataFrame({
    "lead_id": tables.lead_ids[now.lead].astype(str),
    "score": scores.score,
    "band": scores.band,
    "probability": scores.probability.round(3),
}).sort_values("score", ascending=False)
today.head()

# %% [markdown]
# The first on the list, in words and whole points. What you add up by hand is the score.

# %%
best = today.index[0]
told = explain(
    trained.scorer, X.loc[[best]], lead_ids=[today.lead_id[best]], facts=trained.facts
)[0]
lines = [("typical lead", told.typical, "")]
for r in (*told.reasons_for, *told.reasons_against):
    lines.append((render(r), r.points, render_fact(r.fact) if r.fact else ""))
lines += [("all other details", told.rest_points, ""), ("limit of the scale", told.limit_points, "")]
card = pd.DataFrame(lines, columns=["reason", "points", "fact"])
assert card["points"].sum() == told.score
card

# %% [markdown]
# Fit and engagement are sums of the same points.

# %%
pd.Series({"typical": told.typical, **told.families, "score": told.score})
