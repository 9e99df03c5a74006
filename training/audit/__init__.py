"""The leak audit: does any column hold what could not be known at as_of?

- replay: D1, D10 and D2 (features): does a row change when later records change?
- structure: D2 (clocks), D3, D4, D5: does the project file say when each value became known?
- windows: D6, D7, D8, D9: are labels mature, train and test apart, fitted rows those of train?
- screens: S1, S2, S3, S9: does one column alone, or its blanks, give the outcome away?
- quick: S4, S6, S7: what does a quick tree model show about the columns and the split?
- drift: S5, S8: is a column filled in later, does a row number rank the outcome?

`leak_audit.audit` runs them all; `verdict` holds what each finds.
"""

from training.audit.audit_page import html, leakage_sheet
from training.audit.leak_audit import audit
from training.audit.verdict import WHOLE, AuditReport, Verdict

__all__ = ["WHOLE", "AuditReport", "Verdict", "audit", "html", "leakage_sheet"]
