"""A CRM that was read -> what the audit of its data and times found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import pandas as pd

from data.errors import InputError
from leadscore.crm_project import CrmProject, need_crm
from leadscore.lead_model import no_progress
from leadscore.shown import Showable, Shown, table_of
from serving.check import CheckResult, check_project
from training import evaluation_plots
from training.audit import WHOLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class LeakCheck(Showable):
    """What the audit of data and time found; made by `check`.

    Attributes
    ----------
    name : str
        The name of the project.
    """

    name: str
    _checked: CheckResult

    @property
    def stops(self) -> bool:
        """Whether training would be refused."""
        return self._checked.stops

    @property
    def findings(self) -> pd.DataFrame:
        """Column, detector, severity, figure, reason, cure and who waived it, gravest first."""
        found = [asdict(verdict) for verdict in self._checked.report.verdicts]
        columns = ["column", "detector", "severity", "figure", "reason", "cure", "waived_by"]
        return pd.DataFrame(found, columns=columns)

    @property
    def undeclared(self) -> pd.DataFrame:
        """Columns that nobody declared: table, name, kind, guess, reason, and the line to add."""
        found = [asdict(review) for review in self._checked.reviews]
        columns = ["table", "name", "kind", "guess", "reason", "line"]
        return pd.DataFrame(found, columns=columns)

    @property
    def quarantined(self) -> frozenset[str]:
        """Columns that no model sees until somebody signs for them in the project file."""
        return self._checked.report.quarantined

    @property
    def page(self) -> str:
        """The audit as an HTML document."""
        return self._checked.page

    @property
    def lines(self) -> tuple[str, ...]:
        """All of it as ``leadscore check`` says it, a line each."""
        return tuple(self._checked.lines())

    def plot_delay(self) -> Figure:
        """Draw the share of leads converted and disqualified by age, and the horizon.

        Returns
        -------
        matplotlib.figure.Figure
            The extra ``leadscore[notebook]`` installs matplotlib.

        Raises
        ------
        InputError
            Where nothing says when leads converted.
        """
        if self._checked.delay is None:
            raise InputError(
                "time to convert needs leads.created_at and a time of conversion",
                column="leads.converted_at",
            )
        return evaluation_plots.plot_delay(self._checked.delay)

    def _shown(self) -> Shown:
        checked = self._checked
        labelled = checked.dataset.labelled
        findings = self.findings.drop(columns="waived_by").replace({"column": {WHOLE: "all"}})
        notes = [*checked.reading.notes, *([checked.older] if checked.older else [])]
        notes += [] if checked.delay is None else checked.delay.warnings
        return Shown(
            f"Leak check of {self.name}",
            checked.judgement.ending,
            facts=(
                ("features", f"{len(checked.dataset.frame.catalogue.features):,}"),
                ("mature snapshots", f"{len(labelled):,}"),
                ("converted", f"{int(labelled.y.sum()):,} ({labelled.y.mean():.1%})"),
            ),
            notes=tuple(notes),
            tables=(
                table_of(findings, "Findings, gravest first"),
                table_of(self.undeclared, "Columns that nobody declared"),
            ),
        )


def check(crm: CrmProject, *, on_stage: Callable[[str], None] = no_progress) -> LeakCheck:
    """Check data and time: what is read, what is no feature, what leaks.

    Parameters
    ----------
    crm : CrmProject
        What `read` gave.
    on_stage : callable, optional
        Called with a few words when the next stage begins.

    Returns
    -------
    LeakCheck
        A leak is told, not raised: `LeakCheck.stops` says whether training would be refused.

    Raises
    ------
    InputError
        Where there is nothing to learn from.
    """
    found = check_project(need_crm(crm)._session, crm._reading, on_stage=on_stage)
    return LeakCheck(crm.name, found)
