# %% [markdown]
# # 4. Explain a lead, and why its score changed

# %%
import tempfile
from pathlib import Path

import pandas as pd

import leadscore as ls

# %%
crm = ls.simulate("software_trial", leads=1500, seed=7).read()
trained = ls.train(crm, fast=True)

# %% [markdown]
# An artifact is a folder. What is loaded from it scores without anything else.

# %%
folder = tempfile.TemporaryDirectory()
model = ls.load(crm, trained.save(Path(folder.name) / "artifact"))
scores = model.score(crm).sort_values("score", ascending=False, ignore_index=True)
families = ["fit", "engagement", "qualification", "context"]
scores[["lead_id", "score", "grid", *families]].head()

# %% [markdown]
# ## What moved in two weeks
#
# The states in between are scored for real: time passes, events come in, fields are edited.

# %%
since = crm.observed_until - pd.Timedelta(days=14)
moved = model.changes(crm, since=since)
moved.head()

# %% [markdown]
# The lead that rose most: the reasons for its score today, and what it did.

# %%
risen = model.explain(crm, moved["lead_id"].iloc[0], since=since)
risen

# %%
assert risen.change["points"].sum() == risen.score - risen.score_before == moved["change"].iloc[0]
risen.change

# %%
assert risen.points["points"].sum() == risen.score
risen.points

# %% [markdown]
# Whole points add up for every lead: here the ten with the highest scores.

# %%
for lead in scores["lead_id"].head(10):
    one = model.explain(crm, lead)
    assert one.points["points"].sum() == one.score
