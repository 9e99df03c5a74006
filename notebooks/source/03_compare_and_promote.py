# %% [markdown]
# # 3. Compare with the champion, promote, roll back
#
# A challenger becomes champion only where it is shown not to be worse.

# %%
import tempfile
from pathlib import Path

import pandas as pd

from data.project import load_project
from data.reading.read_tables import read_tables
from data.world import make_world, write_world
from models.artifact import load_artifact
from training.publish import publish
from training.registry import Registry
from training.train import train
from training.state import StatePaths

pd.set_option("display.max_colwidth", 100)

# %%
folder = tempfile.TemporaryDirectory()
write_world(
    make_world("software_trial", 3000, seed=0), folder.name,
    project="../examples/software_trial.toml",
)
file = Path(folder.name) / "software_trial.toml"
registry = Registry.of(StatePaths(Path(folder.name) / "state"), "software_trial")

# %% [markdown]
# ## A first champion
#
# In October: nothing later is known.

# %%
october = load_project(file, overrides={"project.observed_until": "2026-10-01"})
tables, outcomes = read_tables(october)
first = train(october, tables, outcomes, seed=0, threads=1, fast=True)
settings = {"pages": {}, "tags": {}, "threads": 1, "seed": 0}
published = publish(first, registry, october, tables, **settings)
assert published.decision.promote
published.sentence

# %%
pd.DataFrame(published.decision.checks)

# %% [markdown]
# ## A challenger
#
# A month later, on the same score card, so that 70 points mean what they meant.

# %%
first_version = registry.champion().version
november = load_project(file)
tables, outcomes = read_tables(november)
second = train(
    november, tables, outcomes, seed=0, threads=1, fast=True, card=first.parts.card
)
challenged = publish(second, registry, november, tables, **settings)
pd.DataFrame(challenged.decision.checks)

# %%
challenged.words

# %% [markdown]
# ## Promote by hand, and go back

# %%
def versions():
    rows = [(version, ", ".join(aliases)) for version, _, aliases in registry.versions()]
    return pd.DataFrame(rows, columns=["version", "aliases"]).set_index("version")


X = first.dataset.rows(first.dataset.cut.test)
before = registry.find(first_version)
registry.promote(before.version)
shown = load_artifact(before.folder).score(X)
registry.promote(challenged.version.version)
versions()

# %%
registry.rollback()
versions()

# %% [markdown]
# After the rollback every score is what it was, to the last bit.

# %%
assert registry.champion().version == before.version
again = load_artifact(registry.champion().folder).score(X)
assert again.probability.tobytes() == shown.probability.tobytes()
pd.Series(again.score).describe().round(1)
