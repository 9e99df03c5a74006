"""Learns from a CRM's history which leads become opportunities, says how likely and why.

>>> import leadscore as ls
>>> crm = ls.simulate("software_trial", leads=300, seed=7).read()
>>> crm.n_leads
300

Your own data: ``ls.read("acme.toml")``, then `check`, `train`, `promote`, `report`. Importing this
module loads nothing; what is behind a name is loaded when the name is first asked for.
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
    from leadscore.door import *
else:

    def __getattr__(name):
        """Load the door when the first public name is asked for (PEP 562)."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from leadscore import door

        return getattr(door, name)


def __dir__() -> list[str]:
    """List the public names, for completion."""
    return [*__all__, "main"]


def main() -> None:
    """Run the console command."""
    from serving.cli.app import main as run

    run()
