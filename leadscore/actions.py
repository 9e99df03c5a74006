"""What is done with a CRM and its champion: check, report, write back, monitor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from data.errors import InputError
from leadscore.crm_project import CrmProject, When, need_crm
from leadscore.lead_model import LeadModel, no_progress
from leadscore.registered import load
from leadscore.shown import Showable, Shown, table_of
from serving.check import CheckResult, check_project
from serving.cli.clock import new_run_id
from serving.verbs import monitor_model
from serving.worklist.language import refuse_unknown
from serving.write_reports import write_reports, write_views
from serving.writeback.write_back import WriteBackResult
from serving.writeback.write_back import write_back as send
from training import evaluation_plots
from training.audit import WHOLE
from training.monitor import Signal

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class LeakCheck(Showable):
    """What the audit of data and time found; `page` is the whole audit as an HTML document."""

    name: str
    _checked: CheckResult

    @property
    def stops(self) -> bool:
        """Whether a structural leak refuses training."""
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

        InputError where nothing says when leads converted.
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
        ending = "a structural leak stops training" if self.stops else "nothing stops training"
        findings = self.findings.drop(columns="waived_by").replace({"column": {WHOLE: "all"}})
        notes = [*checked.reading.notes, *([checked.older] if checked.older else [])]
        notes += [] if checked.delay is None else checked.delay.warnings
        return Shown(
            f"Leak check of {self.name}",
            ending,
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


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class WrittenReport(Showable):
    """The files of a report: `paths`, one report and one model page for each language."""

    name: str
    paths: tuple[Path, ...]

    def _shown(self) -> Shown:
        files = tuple(str(path) for path in self.paths)
        return Shown(f"Report of {self.name}", f"{len(files)} files", notes=files)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class SentScores(Showable):
    """What a write-back did: how many leads there were, and what became of each."""

    _result: WriteBackResult

    @property
    def counts(self) -> dict[str, int]:
        """All `leads`, and how many were sent, unchanged, rejected, kept_overrides, …"""
        found = asdict(self._result)
        return {name: n for name, n in found.items() if type(n) is int and name != "requests"}

    @property
    def complete(self) -> bool:
        """Whether nothing was rejected and nothing waits in the outbox."""
        return not (self._result.rejected or self._result.waiting)

    def _shown(self) -> Shown:
        facts = tuple((name.replace("_", " "), f"{n:,}") for name, n in self.counts.items())
        return Shown(f"Write-back to {self._result.crm}", self._result.summary, facts=facts)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class MonitoredModel(Showable):
    """What the monitor looked at: stale data, drifting features and scores, broken promises."""

    name: str
    _signals: tuple[Signal, ...]

    @property
    def signals(self) -> pd.DataFrame:
        """One row a thing looked at: name, state (green, yellow, red), figure, bar."""
        columns = ["name", "state", "figure", "bar"]
        return pd.DataFrame([signal.to_dict() for signal in self._signals], columns=columns)

    @property
    def red(self) -> bool:
        """Whether anything is red."""
        return any(signal.state == "red" for signal in self._signals)

    def _shown(self) -> Shown:
        states = self.signals["state"].value_counts(sort=False)
        summary = ", ".join(f"{n} {state}" for state, n in states.items())
        return Shown(f"Monitor of {self.name}", summary, tables=(table_of(self.signals),))


def check(crm: CrmProject, *, on_stage: Callable[[str], None] = no_progress) -> LeakCheck:
    """Check data and time: what is read, what is no feature, what leaks.

    A leak is told, not raised: `LeakCheck.stops` says whether training would be refused.
    InputError where there is nothing to learn from.
    """
    return LeakCheck(
        need_crm(crm).name, check_project(crm._session, crm._reading, on_stage=on_stage)
    )


def report(
    crm: CrmProject,
    folder: str | Path | None = None,
    *,
    model: LeadModel | str = "champion",
    as_of: When | None = None,
    languages: str | Sequence[str] | None = None,
    per_owner: bool = False,
    now: When | None = None,
    on_stage: Callable[[str], None] = no_progress,
) -> WrittenReport:
    """Score, and write the report for sales and the model page as HTML files.

    The run of a registered model is kept in the state folder.

    Parameters
    ----------
    folder
        Default: ``report`` in the state folder.
    model
        A model, or a version or alias of the registry.
    as_of
        Default: the end of observation.
    languages
        One file each; default: the project's.
    per_owner
        Also CSV and Excel, and for each owner a report, a CSV and a draft e-mail.
    now
        The moment of the run; default: the clock.

    Raises
    ------
    InputError
        Where a language is unknown, or no lead is open.
    OutsideError
        Where the folder can't be written, or the registry has no such model.
    """
    session = need_crm(crm)._session
    chosen_languages = [languages] if isinstance(languages, str) else languages
    wanted = tuple(dict.fromkeys(chosen_languages or session.project.report.languages))
    refuse_unknown(wanted)
    if folder is None:
        crm._require_state()
    place = session.state.reports if folder is None else Path(folder)
    chosen, at, moment = _chosen(crm, model), crm._now(now), crm._moment(as_of)
    reading = crm._reading_of(chosen._loaded.kinds)
    if chosen._registered:
        paths = write_reports(
            session,
            reading,
            chosen._loaded,
            as_of=moment,
            scored_at=at,
            run_id=new_run_id(at),
            folder=place,
            languages=wanted,
            per_owner=per_owner,
            on_stage=on_stage,
        )
    else:
        scored = chosen._score(crm, moment, at, for_report=True)
        paths = write_views(
            session,
            reading,
            chosen._loaded,
            scored,
            folder=place,
            languages=wanted,
            per_owner=per_owner,
            on_stage=on_stage,
        )
    return WrittenReport(crm.name, tuple(paths))


def write_back(
    crm: CrmProject,
    *,
    scores: str | Path | None = None,
    dry_run: bool = False,
    now: When | None = None,
) -> SentScores:
    """Send to the CRM what changed, once in effect; a second run sends nothing.

    A project without ``write_back`` has an embedded CRM: ``crm.sqlite`` in the state folder.

    Parameters
    ----------
    scores
        A scores.parquet; default: the newest run that was kept (``score(keep=True)``, `report`).
    dry_run
        Go the whole way, write nothing.
    now
        The moment of the run; default: the clock.

    Raises
    ------
    InputError
        Where there is no state folder, or no run was kept.
    OutsideError
        Where the CRM fails; what was not sent waits for the next run.
    """
    state, at = need_crm(crm)._require_state(), crm._now(now)
    if isinstance(scores, pd.DataFrame):
        raise InputError(
            "a table in memory has no run that could be resumed",
            column="scores",
            cure="model.score(crm, keep=True), then write_back(crm)",
        )
    result = send(
        state.scores if scores is None else Path(scores),
        crm._session.project,
        state.folder,
        now=at,
        run_id=new_run_id(at),
        dry_run=dry_run,
    )
    return SentScores(result)


def monitor(
    crm: CrmProject, *, model: LeadModel | str = "champion", as_of: When | None = None
) -> MonitoredModel:
    """Hold a model against the data as they are now: freshness, drift, promises.

    What is red is told, not raised: `MonitoredModel.red`. OutsideError where the registry has no
    such model.
    """
    loaded = _chosen(need_crm(crm), model)._loaded
    signals = monitor_model(
        crm._session,
        crm._reading_of(loaded.kinds),
        loaded,
        as_of=crm._moment(as_of),
        on_stage=no_progress,
    )
    return MonitoredModel(f"{crm.name}, model {loaded.version}", tuple(signals))


def _chosen(crm: CrmProject, model: LeadModel | str) -> LeadModel:
    return load(crm, model) if isinstance(model, str) else model
