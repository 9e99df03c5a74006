"""A CRM and a model of it -> the report for sales, and what the monitor says of the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from leadscore.crm_project import CrmProject, When, need_crm
from leadscore.lead_model import LeadModel, need_model, no_progress
from leadscore.registered import load
from leadscore.shown import Showable, Shown, table_of
from serving.verbs import monitor_model
from serving.worklist.language import refuse_unknown
from serving.write_reports import write_reports, write_views
from training.watch.signal import Signal


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class WrittenReport(Showable):
    """The files of a report; made by `report`.

    Attributes
    ----------
    name : str
        The name of the project.
    paths : tuple of pathlib.Path
        One report and one model page for each language; with `per_owner` the owners' files too.
    """

    name: str
    paths: tuple[Path, ...]

    def _shown(self) -> Shown:
        files = tuple(str(path) for path in self.paths)
        return Shown(f"Report of {self.name}", f"{len(files)} files", notes=files)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class MonitoredModel(Showable):
    """What the monitor looked at: stale data, drifting features and scores, broken promises.

    Made by `monitor`.

    Attributes
    ----------
    name : str
        The project and the version of the model.
    """

    name: str
    _signals: tuple[Signal, ...]

    @property
    def signals(self) -> pd.DataFrame:
        """One row a thing looked at, causes first: its state (green, yellow, red) and what to do.

        Columns name, state, since, figure, bar, topic (cause, check, feature) and what_to_do.
        """
        columns = ["name", "state", "since", "figure", "bar", "topic", "what_to_do"]
        return pd.DataFrame([signal.to_dict() for signal in self._signals], columns=columns)

    @property
    def red(self) -> bool:
        """Whether anything is red."""
        return any(signal.state == "red" for signal in self._signals)

    def _shown(self) -> Shown:
        states = self.signals["state"].value_counts(sort=False)
        summary = ", ".join(f"{n} {state}" for state, n in states.items())
        return Shown(f"Monitor of {self.name}", summary, tables=(table_of(self.signals),))


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

    The run of a registered model is kept in the state folder, and the live pages show it.

    Parameters
    ----------
    crm : CrmProject
        What `read` gave.
    folder : path, optional
        Default: ``report`` in the state folder.
    model : LeadModel or str, default "champion"
        A model, or a version or alias of the registry.
    as_of : str, date or datetime, optional
        Default: the end of observation.
    languages : str or list of str, optional
        One file each; default: the project's.
    per_owner : bool, default False
        Also CSV and Excel, and for each owner a report, a CSV and a draft e-mail.
    now : str, date or datetime, optional
        The moment of the run; default: the clock.
    on_stage : callable, optional
        Called with a few words when the next stage begins.

    Returns
    -------
    WrittenReport
        Its `paths` are the files.

    Raises
    ------
    InputError
        Where a language is unknown, no lead is open, or the registry has no such model.
    OutsideError
        Where the folder can't be written.
    """
    session = need_crm(crm)._session
    chosen_languages = [languages] if isinstance(languages, str) else languages
    wanted = tuple(dict.fromkeys(chosen_languages or session.project.report.languages))
    refuse_unknown(wanted)
    if folder is None:
        crm._require_state()
    place = session.state.reports if folder is None else Path(folder)
    chosen, run = _chosen(crm, model), crm._run(as_of, now)
    reading = crm._reading_of(chosen._loaded.kinds)
    if chosen._registered:
        paths = write_reports(
            session,
            reading,
            chosen._loaded,
            run,
            folder=place,
            languages=wanted,
            per_owner=per_owner,
            on_stage=on_stage,
        )
    else:
        scored = chosen._score(crm, run, for_report=True)
        paths = write_views(
            session,
            reading,
            chosen._loaded,
            scored,
            folder=place,
            languages=wanted,
            per_owner=per_owner,
            live=False,
            on_stage=on_stage,
        )
    return WrittenReport(crm.name, tuple(paths))


def monitor(
    crm: CrmProject, *, model: LeadModel | str = "champion", as_of: When | None = None
) -> MonitoredModel:
    """Hold a model against the data as they are now: freshness, drift, promises.

    Parameters
    ----------
    crm : CrmProject
        What `read` gave.
    model : LeadModel or str, default "champion"
        A model, or a version or alias of the registry.
    as_of : str, date or datetime, optional
        Default: the end of observation.

    Returns
    -------
    MonitoredModel
        What is red is told, not raised: `MonitoredModel.red`.

    Raises
    ------
    InputError
        Where the registry has no such model.
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
    return load(crm, model) if isinstance(model, str) else need_model(model)
