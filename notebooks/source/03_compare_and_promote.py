# %% [markdown]
# # 3. Compare with the champion, promote, roll back
#
# A challenger becomes champion where that is expected to lower the log loss.

# %%
import tempfile

import pandas as pd

import leadscore as ls

pd.set_option("display.max_colwidth", 100)

# %%
state = tempfile.TemporaryDirectory()
company = ls.simulate("software_trial", leads=3000, seed=0)
november = company.read(state=state.name)

# %% [markdown]
# ## A first champion
#
# In October: nothing later is known.

# %%
october = november.until("2026-10-01")
first = ls.publish(ls.train(october, fast=True))
assert first.promoted
first

# %% [markdown]
# ## A challenger
#
# A month later, on the champion's score card, so that 70 points mean what they meant.

# %%
challenger = ls.publish(ls.train(november, fast=True))
challenger

# %%
challenger.checks

# %% [markdown]
# ## Promote by hand, and go back

# %%
ls.promote(first.model)
shown = ls.load(november, "champion").score(november)
ls.promote(challenger.model)
ls.versions(november)

# %%
champion = ls.rollback(november)
ls.versions(november)

# %% [markdown]
# After the rollback every score is what it was, to the last bit.

# %%
again = champion.score(november)
assert champion.version == first.model.version
assert again["probability"].to_numpy().tobytes() == shown["probability"].to_numpy().tobytes()
again["score"].describe().round(1)
