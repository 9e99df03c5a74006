# %% [markdown]
# # 5. Does working by score bring more opportunities?
#
# Count the leads before, leave the arms to chance, look as often as you like.

# %%
# %matplotlib inline
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import leadscore as ls

# %% [markdown]
# ## Before: how many leads?

# %%
rises = [0.09, 0.10, 0.12, 0.15]
power = ls.experiments.power
pd.DataFrame({
    "leads an arm": [power(0.08, rate).control for rate in rises],
    "in accounts of three": [power(0.08, rate, account_size=3, icc=0.1).control for rate in rises],
}, index=pd.Index([f"8 % to {rate:.0%}" for rate in rises], name="rise"))

# %%
f"2,000 leads an arm can show a rise of {ls.experiments.smallest_rise(0.08, 2000, 2000):.1%}"

# %% [markdown]
# ## Arms by hash
#
# The same lead, the same arm, every night; a small random arm stays for good.

# %%
leads = pd.DataFrame({"lead_id": [f"L{i:05d}" for i in range(7000)]})
leads["arm"] = ls.experiments.assign_units(leads["lead_id"], name="autumn", random_arm=0.1)
leads["arm"].value_counts()

# %% [markdown]
# ## After: an honest analysis
#
# Simulated: 8 % convert, 10.5 % where the list was worked by score; larger companies more often.

# %%
rng = np.random.default_rng(0)
leads["employees"] = rng.lognormal(4, 1, len(leads)).round()
lift = np.where(leads["arm"] == "score", 0.025, 0.0)
chance = 0.08 + lift + 0.02 * (np.log(leads["employees"]) - 4)
leads["won"] = (rng.random(len(leads)) < chance).astype(int)
kept = leads[leads["arm"] != "random"].reset_index(drop=True)
ls.experiments.compare(kept["won"], kept["arm"], covariates=kept[["employees"]]).round(4)

# %% [markdown]
# Looking every week is allowed: this range holds at all looks together.

# %%
weeks = rng.uniform(0, 12, len(kept))
looks = ls.experiments.follow(kept["won"], kept["arm"] == "score", weeks, np.arange(2.0, 13.0))
figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
axes.fill_between(looks["at"], looks["low"], looks["high"], alpha=0.2)
axes.plot(looks["at"], looks["rise"])
axes.axhline(0, linestyle=":", color="grey")
axes.set(xlabel="week", ylabel="rise");

# %% [markdown]
# ## A real one
#
# Hillstrom's e-mail test, where LEADSCORE_DATA names the folder that holds it.

# %%
real = os.environ.get("LEADSCORE_DATA")
table = "LEADSCORE_DATA is not set"
if real:
    mail = pd.read_csv(Path(real) / "hillstrom" / "hillstrom.csv.gz")
    table = ls.experiments.compare(mail["visit"], mail["segment"], control="No E-Mail").round(4)
table
