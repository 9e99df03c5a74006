"""The leak audit: does any column hold what could not be known at as_of?"""

from training.audit.audit_page import html, leakage_sheet
from training.audit.leak_audit import audit
from training.audit.verdict import WHOLE, AuditReport, Verdict

__all__ = ["WHOLE", "AuditReport", "Verdict", "audit", "html", "leakage_sheet"]
