# %% [markdown]
# # 4. Explain a lead, and why its score changed

# %%
# %matplotlib inline
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from data.clock import DAY
from data.labels import open_snapshots
from data.project import load_project
from data.reading.read_tables import read_tables
from data.world import make_world, write_world
from features.build import build
from models.explain.reasons import explain
from models.explain.sentences import render
from serving.score_changes import Moment, changes_since, lines_to_show
from serving.loaded_model import load_model
from training.registry import ModelVersion
from training.train import train

# %%
folder = tempfile.TemporaryDirectory()
write_world(
    make_world("software_trial", 1500, seed=7), folder.name,
    project="../examples/software_trial.toml",
)
project = load_project(Path(folder.name) / "software_trial.toml")
tables, outcomes = read_tables(project)
trained = train(project, tables, outcomes, seed=0, threads=1, fast=True)

# %% [markdown]
# An artifact is a folder. What is loaded from it scores without anything else.

# %%
artifact = Path(folder.name) / "artifact"
trained.write(artifact)
model = load_model(ModelVersion("notebook", artifact, {}))

# %%
now = open_snapshots(tables, outcomes, tables.observed_until)
X = build(tables, now, model.catalogue).to_pandas()
ids = tables.lead_ids[now.lead].astype(str).tolist()
told = explain(model.scorer, X, lead_ids=ids, facts=model.facts)
families = pd.DataFrame([{"lead": e.lead_id, "score": e.score, "grid": e.grid, **e.families} for e in told])
families.sort_values("score", ascending=False).head()

# %% [markdown]
# ## What moved in two weeks
#
# The states in between are scored for real: time passes, events come in, fields are edited.

# %%
changes = changes_since(Moment(tables, now, X, model, 1), tables.observed_until - 14 * DAY)
moved = pd.DataFrame(
    [(c.lead_id, c.old_score, c.score, c.score - c.old_score) for c in changes.values()],
    columns=["lead", "before", "now", "change"], index=list(changes),
).sort_values("change", ascending=False)
moved.head()

# %% [markdown]
# The lead that rose most: what it did, and the reasons for its score today.

# %%
row = moved.index[0]
lines = [(line.kind, line.factor, line.points) for line in lines_to_show(changes[row])]
lines.append(("all other", "", changes[row].rest_points))
assert sum(points for *_, points in lines) == moved.change[row]
pd.DataFrame(lines, columns=["because of", "factor", "points"])

# %%
e = told[row]
lines = [("typical lead", e.typical)]
lines += [(render(r), r.points) for r in (*e.reasons_for, *e.reasons_against)]
lines += [("all other details", e.rest_points), ("limit of the scale", e.limit_points)]
assert sum(points for _, points in lines) == e.score
pd.DataFrame(lines, columns=["reason", "points"])

# %% [markdown]
# On every open lead the points add up.

# %%
total = families[["fit", "engagement", "qualification", "context"]].sum(axis=1)
assert np.array_equal(total + [x.typical + x.limit_points for x in told], families["score"])
len(families)
