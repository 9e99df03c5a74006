# %% [markdown]
# # 2. Train a model and read it
#
# Which candidate won, what it is worth, what moves it, and how near it comes to the truth.

# %%
# %matplotlib inline
import matplotlib.pyplot as plt
import shap

import leadscore as ls

# %%
company = ls.simulate("software_trial", leads=1500, seed=7)
crm = company.read()
model = ls.train(crm, fast=True)

# %% [markdown]
# ## The candidates
#
# Each was cross-fitted on training rows; `behind` is its log loss above that of the default
# candidate, the mean of line, forest and boosted line: below 0 is better.

# %%
model.candidates.set_index("candidate").sort_values("log_loss").round(4)

# %%
model.winner

# %% [markdown]
# ## What it is worth
#
# On rows younger than all that was learned from; intervals by resampling accounts.

# %%
figures = model.metrics
figures.query("model == 'model'").set_index("metric")[["value", "low", "high"]].round(3)

# %%
model.capacity.round(3)

# %%
ls.plot_gains(model)

# %%
ls.plot_reliability(model)

# %% [markdown]
# ## What moves it
#
# The contributions are exact and already there: `shap` only draws them.

# %%
X, outcomes = model.held_out()
model.importance(X).head(8).round(3)

# %%
shap.plots.beeswarm(ls.to_shap(model, X), max_display=10)

# %%
shap.plots.bar(ls.to_shap(model, X, by="factor"), max_display=10)

# %%
best = int(outcomes["model"].argmax())
shap.plots.waterfall(ls.to_shap(model, X, by="factor")[best], max_display=10)

# %% [markdown]
# One feature: its contribution beside what really happened.

# %%
model.dependence(X, "source", outcomes["converted"]).round(3)

# %% [markdown]
# ## Against the truth
#
# A simulation may show what no CRM can: the true probability given everything seen.

# %%
true = company.probability(outcomes["lead_id"], outcomes["as_of"])
figure, axes = plt.subplots(figsize=(5, 4), layout="constrained")
axes.scatter(true, outcomes["model"], s=8, alpha=0.5)
axes.plot([0, 1], [0, 1], linestyle=":", color="grey")
axes.set(xscale="log", yscale="log", xlabel="true probability", ylabel="promised");

# %% [markdown]
# ## The estimator by itself
#
# It is scikit-learn's: any frame of numbers and categories, any pipeline.

# %%
columns = ["employees", "source", "country"]
estimator = ls.LeadClassifier(fast=True).fit(X[columns], outcomes["converted"])
estimator.predict_proba(X[columns])[:3, 1].round(3)

# %%
shap.plots.bar(ls.to_shap(estimator, X[columns]))
