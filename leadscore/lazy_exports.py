"""Where each public name lives: loaded when the first of them is asked for.

`leadscore.__all__` is the list of them; an import `as` the same name hands it on to type checkers.
"""

from data.errors import GateError as GateError
from data.errors import InputError as InputError
from data.errors import LeadScoreError as LeadScoreError
from data.errors import OutsideError as OutsideError
from leadscore import experiments as experiments
from leadscore.crm_project import CrmProject as CrmProject
from leadscore.explained_lead import ExplainedLead as ExplainedLead
from leadscore.lead_model import LeadModel as LeadModel
from leadscore.leak_check import LeakCheck as LeakCheck
from leadscore.leak_check import check as check
from leadscore.model_figures import ModelFigures as ModelFigures
from leadscore.model_plots import plot_gains as plot_gains
from leadscore.model_plots import plot_reliability as plot_reliability
from leadscore.model_plots import to_shap as to_shap
from leadscore.read_crm import read as read
from leadscore.registered import Publication as Publication
from leadscore.registered import load as load
from leadscore.registered import promote as promote
from leadscore.registered import publish as publish
from leadscore.registered import rollback as rollback
from leadscore.registered import versions as versions
from leadscore.reporting import MonitoredModel as MonitoredModel
from leadscore.reporting import WrittenReport as WrittenReport
from leadscore.reporting import monitor as monitor
from leadscore.reporting import report as report
from leadscore.sent_scores import SentScores as SentScores
from leadscore.sent_scores import write_back as write_back
from leadscore.simulated_company import SimulatedCompany as SimulatedCompany
from leadscore.simulated_company import simulate as simulate
from leadscore.train_on_crm import train as train
from models.fit.learner import LeadClassifier as LeadClassifier
from models.fit.rule_points import RulePoints as RulePoints
