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

from data.schema import ExperimentSection
from serving.figures.experiment import analyse, assign, compare_arms, look
from serving.figures.power import size_test, smallest_lift

# %% [markdown]
# ## Before: how many leads?

# %%
rises = [0.09, 0.10, 0.12, 0.15]
pd.DataFrame({
    "leads an arm": [size_test(0.08, rate).control for rate in rises],
    "in accounts of three": [size_test(0.08, rate, cluster_size=3, icc=0.1).control for rate in rises],
}, index=pd.Index([f"8 % to {rate:.0%}" for rate in rises], name="rise"))

# %%
f"2,000 leads an arm can show a rise of {smallest_lift(0.08, 2000, 2000):.1%}"

# %% [markdown]
# ## Arms by hash
#
# The same lead, the same arm, every night; a small random arm stays for good.

# %%
section = ExperimentSection(random_arm=0.1, arms={"control": 0.5, "score": 0.5})
leads = pd.DataFrame({"lead_id": [f"L{i:05d}" for i in range(7000)]})
leads["arm"] = assign(leads["lead_id"].to_numpy(), section, name="autumn")
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
treated = (kept["arm"] == "score").to_numpy()
found = analyse(kept["won"].to_numpy(), treated, covariates=kept[["employees"]], planned_share=0.5)
ranges = {"plain": found.plain, "adjusted": found.adjusted, "at any look": found.always_valid}
pd.DataFrame({name: (d.value, d.low, d.high) for name, d in ranges.items()},
             index=["rise", "low", "high"]).T.round(4)

# %% [markdown]
# Looking every week is allowed: this range holds at all looks together.

# %%
weeks = rng.uniform(0, 12, len(kept))
looks = pd.DataFrame(
    look(kept["won"].to_numpy(), treated, weeks, np.arange(2.0, 13.0), planned=len(kept))
)
figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
axes.fill_between(looks["at"], looks["low"], looks["high"], alpha=0.2)
axes.plot(looks["at"], looks["value"])
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
    arms = compare_arms(mail["visit"].to_numpy(), mail["segment"].to_numpy(object), "No E-Mail")
    table = pd.DataFrame({
        arm: (a.control.value, a.treated.value, a.plain.low, a.plain.high) for arm, a in arms.items()
    }, index=["control", "treated", "rise, low", "rise, high"]).T.round(4)
table
