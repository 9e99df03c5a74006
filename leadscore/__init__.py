"""Learns from a CRM's history which leads become opportunities, says how likely and why.

    import leadscore as ls
    crm = ls.read("acme.toml")             # or a dict with frames of pandas, polars, Arrow
    ls.check(crm)                          # the leak audit
    model = ls.train(crm)                  # candidates, figures with intervals, reliability
    scores = model.score(crm, as_of="2026-11-01")
    model.explain(crm, "L-0042", since="2026-10-01")
    ls.promote(model)
    ls.report(crm, "out/")
    ls.write_back(crm, dry_run=True)

Every result shows itself in a notebook. `help(ls.read)` has an example of a project as a dict.

From data to a model:

    read              tables of a project (files, databases, frames) -> CrmProject
    simulate          a company whose true probabilities are known -> SimulatedCompany
    check             what is read, what is no feature, what leaks -> LeakCheck
    train             fit and evaluate; nothing is registered -> LeadModel
    LeadModel         score, explain, changes, features, importance, evaluate, save
    LeadClassifier    the scikit-learn estimator, by itself
    RulePoints        points given by hand that an estimator begins from

The registry and what is done every day:

    publish           register; the gate says whether it is champion -> Publication
    promote, rollback make a model champion by hand; go back to the one before
    load, versions    a registered model, or an artifact's folder; the list of them
    report            the report for sales as files -> WrittenReport
    write_back        scores to the CRM -> SentScores
    monitor           what went stale, drifted, broke its promise -> MonitoredModel
    experiments       does working by score bring more? power, arms, analysis -> ComparedArms

What results are: ExplainedLead (from LeadModel.explain), ModelFigures (from LeadModel.evaluate);
figures: plot_reliability, plot_gains (matplotlib), to_shap (shap). Errors are one tree:
LeadScoreError with InputError (your input), GateError (refused), OutsideError (CRM, registry).

Importing this module loads nothing; what is behind a name is loaded when the first is asked for.

>>> import leadscore as ls
>>> ls.experiments.power(0.08, 0.10).total
6426
"""

# ruff: noqa: F403, F405 - only type checkers and editors read the star

from typing import TYPE_CHECKING

__all__ = [
    "CrmProject",
    "ExplainedLead",
    "GateError",
    "InputError",
    "LeadClassifier",
    "LeadModel",
    "LeadScoreError",
    "LeakCheck",
    "ModelFigures",
    "MonitoredModel",
    "OutsideError",
    "Publication",
    "RulePoints",
    "SentScores",
    "SimulatedCompany",
    "WrittenReport",
    "check",
    "experiments",
    "load",
    "monitor",
    "plot_gains",
    "plot_reliability",
    "promote",
    "publish",
    "read",
    "report",
    "rollback",
    "simulate",
    "to_shap",
    "train",
    "versions",
    "write_back",
]

if TYPE_CHECKING:
    from leadscore.lazy_exports import *
else:

    def __getattr__(name):
        """Load what it names when the first public name is asked for (PEP 562)."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from leadscore import lazy_exports

        return getattr(lazy_exports, name)


def __dir__() -> list[str]:
    """List the public names, for completion."""
    return [*__all__, "main"]


def main() -> None:
    """Run the console command.

    Nearly all objects of a command are what it imports and last to its end. To look for garbage
    among them takes a quarter of a second of a short command: so it is done rarely, and at the end
    not at all, unless DuckDB is there, which would tell of each object that is left.
    """
    import gc
    import sys

    gc.set_threshold(500_000)
    from serving.cli.app import main as run

    try:
        run()
    finally:
        if "duckdb" not in sys.modules:
            gc.freeze()
