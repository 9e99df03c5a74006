"""Every public name in one place: loaded when the first of them is asked for."""

import leadscore.experiments as experiments
from data.errors import GateError, InputError, LeadScoreError, OutsideError
from leadscore.actions import (
    LeakCheck,
    MonitoredModel,
    SentScores,
    WrittenReport,
    check,
    monitor,
    report,
    write_back,
)
from leadscore.crm_project import CrmProject, read
from leadscore.explained_lead import ExplainedLead
from leadscore.lead_model import (
    LeadModel,
    ModelFigures,
    plot_gains,
    plot_reliability,
    to_shap,
    train,
)
from leadscore.registered import Publication, load, promote, publish, rollback, versions
from leadscore.simulated_company import SimulatedCompany, simulate
from models.fit.learner import LeadClassifier

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
