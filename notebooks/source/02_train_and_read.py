# %% [markdown]
# # 2. Train a model and read it
#
# Which candidate won, what it is worth, what moves it, and how near it comes to the truth.

# %%
# %matplotlib inline
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import shap

from data.project import load_project
from data.reading.read_tables import read_tables
from data.world import make_world, write_world
from models.explain.contribution_plots import dependence, global_view, to_shap
from training.evaluation_plots import plot_gains, plot_reliability
from training.train import train

# %%
folder = tempfile.TemporaryDirectory()
world = make_world("software_trial", 1500, seed=7)
write_world(world, folder.name, project="../examples/software_trial.toml")
project = load_project(Path(folder.name) / "software_trial.toml")
tables, outcomes = read_tables(project)
trained = train(project, tables, outcomes, seed=0, threads=1, fast=True)

# %% [markdown]
# ## The candidates
#
# Each was cross-fitted on training rows; `behind` is its distance to the winner in log loss.

# %%
pd.DataFrame(trained.candidates["random_folds"]).set_index("candidate").sort_values("log_loss").round(4)

# %%
trained.candidates["winner"]

# %% [markdown]
# ## What it is worth
#
# On rows younger than all that was learned from; intervals by resampling accounts.

# %%
figures = trained.evaluation.metrics
figures.query("model == 'model'").set_index("metric")[["value", "low", "high"]].round(3)

# %%
trained.evaluation.capacity.round(3)

# %%
plot_gains(trained.evaluation)

# %%
plot_reliability(trained.evaluation)

# %% [markdown]
# ## What moves it
#
# The contributions are exact and already there: `shap` only draws them.

# %%
test = trained.dataset.cut.test
X, y = trained.dataset.rows(test), trained.dataset.y[test]
global_view(trained.scorer, X).head(8).round(3)

# %%
shap.plots.beeswarm(to_shap(trained.scorer, X), max_display=10)

# %%
shap.plots.bar(to_shap(trained.scorer, X, by="factor"), max_display=10)

# %%
best = int(np.argmax(trained.test["model"]))
shap.plots.waterfall(to_shap(trained.scorer, X, by="factor")[best], max_display=10)

# %% [markdown]
# One feature: its contribution beside what really happened.

# %%
dependence(trained.scorer, X, "source", y).round(3)

# %% [markdown]
# ## Against the truth
#
# A simulation may show what no CRM can: the true probability given everything seen.

# %%
snapshots = trained.dataset.labelled.snapshots.take(test)
true = world.truth.probability(
    tables.lead_ids[snapshots.lead], snapshots.as_of, snapshots.as_of + world.horizon
)
figure, axes = plt.subplots(figsize=(5, 4), layout="constrained")
axes.scatter(true, trained.test["model"], s=8, alpha=0.5)
axes.plot([0, 1], [0, 1], linestyle=":", color="grey")
axes.set(xscale="log", yscale="log", xlabel="true probability", ylabel="promised");
