"""Raw leads and events in frames -> whole answers, from a folder that an MLflow model carries."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from data.declared_tables import declared_tables
from data.errors import InputError
from data.files import write_text
from data.reading.attributes import prefix_of
from data.reading.read_tables import read_tables
from data.reading.values import moment
from data.schema import Project
from data.schema_types import DUMPED
from features.frame import FAMILIES
from serving.asked_leads import (
    RankedLeads,
    answer_leads,
    refuse_without_account,
    say_left_out,
)
from serving.kept_run import KeptRun
from serving.lead_score import LeadScore
from serving.loaded_model import LoadedModel, load_model
from serving.qualify.engine import QualificationRules, compile_rules
from training.registry import ModelVersion

PYFUNC: Final = Path(__file__).with_name("raw_pyfunc.py")
BAND: Final = "leadscore_band"
"""An optional column of leads: the band that a lead had, which it keeps near a cut."""
WHOLE: Final = ("score", *FAMILIES, "typical", "unseen_points", "rest_points", "limit_points")
GIVEN: Final = "given.parquet"


@dataclass(frozen=True, slots=True)
class RawScorer:
    """A project, its model and the leads to rank among: scores frames of raw rows."""

    project: Project
    model: LoadedModel
    rules: QualificationRules
    ranked: RankedLeads | None

    @classmethod
    def load(cls, folder: str | Path) -> RawScorer:
        """Read what `export_raw` wrote."""
        root = Path(folder)
        held = json.loads((root / "raw.json").read_text("utf-8"))
        project = Project.model_validate(held["project"], context=DUMPED)
        ranked = None
        if held["ranked"] is not None:
            margins = np.array(held["ranked"]["margins"], np.float64)
            ranked = RankedLeads(held["ranked"]["as_of"], margins)
        model = load_model(
            ModelVersion(held["version"], root / "model", {}), bands=project.score.bands
        )
        return cls(project, model, compile_rules(project), ranked)

    def score(
        self, given: pd.DataFrame | Mapping[str, pd.DataFrame], *, as_of: str | None = None
    ) -> pd.DataFrame:
        """Score leads: one row each, in the order given, with the fields of `LeadScore`.

        `given` is a frame for each table ("leads", "events.0", "history.0", "join.0",
        "join.0.history.0", "conversion"), or the leads alone, whose columns of those names hold a
        list of rows for each lead. InputError names what is wrong.
        """
        frames = {**(_unfolded(given, self.project) if isinstance(given, pd.DataFrame) else given)}
        if "leads" not in frames:
            raise InputError("are needed", column="leads", cure='give {"leads": frame, …}')
        leads = frames["leads"]
        bands = _bands(leads, self.project)
        frames["leads"] = leads.drop(columns=BAND, errors="ignore")
        refuse_without_account(self.project, leads.columns)
        tables, outcomes = read_tables(
            self.project, frames=frames, kinds=self.model.kinds, lenient=True
        )
        now = time.time_ns() // 1_000  # a host calls: there is no command line above
        until = now if self.project.without_clock else tables.observed_until
        if as_of is not None:
            until = moment(as_of, self.project, "as_of")
        notes = say_left_out(self.project, leads.columns, frames.keys())
        answers = answer_leads(
            self.project,
            self.model,
            self.rules,
            tables,
            outcomes,
            as_of=until,
            at=now,
            bands=bands,
            ranked=self.ranked,
            left_out=dict.fromkeys(tables.lead_ids.tolist(), notes),
        )
        asked = leads[self.project.leads.id].astype(str)
        return _frame([answers[lead] for lead in asked]).set_index(leads.index)


def export_raw(project: Project, version: ModelVersion, kept: KeptRun | None, folder: Path) -> Path:
    """Write an MLflow model that scores raw leads, into a new folder.

    It holds no lead: of the newest run only the margins, without ids, to rank among. InputError
    where the folder is there already.
    """
    if folder.exists():
        raise InputError("is there already", file=str(folder), cure="name another folder")
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import DataType, ParamSchema, ParamSpec

    model = load_model(version)
    ranked = RankedLeads.of(kept, model)
    held = {
        "project": _without_places(project),
        "version": version.version,
        "ranked": None
        if ranked is None
        else {"as_of": ranked.as_of, "margins": ranked.margins.tolist()},
    }
    with tempfile.TemporaryDirectory() as place, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow asks for type hints; we pass a signature
        raw = Path(place) / "raw"
        shutil.copytree(version.folder, raw / "model")
        write_text(raw / "raw.json", json.dumps(held, ensure_ascii=False))
        mlflow.pyfunc.save_model(
            path=str(folder),
            python_model=str(PYFUNC),
            artifacts={"raw": str(raw)},
            signature=ModelSignature(params=ParamSchema([ParamSpec("as_of", DataType.string, "")])),
            pip_requirements=[f"leadscore=={metadata.version('leadscore')}"],
        )
    return folder


def _without_places(project: Project) -> dict[str, Any]:
    """Write a project for another machine: where its data and its CRM are stays here."""
    given = project.model_dump(mode="json", exclude={"write_back", "network", "folder"})

    def hide(section: Any) -> None:
        for name, value in section.items() if isinstance(section, dict) else enumerate(section):
            if name in ("source", "query") and isinstance(value, str):
                section[name] = GIVEN if name == "source" else None
            elif isinstance(value, (dict, list)):
                hide(value)

    for part in ("leads", "conversion", "value"):
        hide(given[part])
    hide(given["events"])
    for join, declared in zip(given["leads"]["join"], project.leads.join, strict=True):
        join["prefix"] = prefix_of(declared)  # by default it is made from the file's name
    given["project"]["state"] = None
    return given


def _bands(leads: pd.DataFrame, project: Project) -> dict[str, str | None]:
    if BAND not in leads.columns or project.leads.id not in leads.columns:
        return {}
    pairs = zip(leads[project.leads.id].astype(str), leads[BAND], strict=True)
    return {lead: None if pd.isna(band) else str(band) for lead, band in pairs}


def _unfolded(leads: pd.DataFrame, project: Project) -> dict[str, pd.DataFrame]:
    """Take the rows that stand in columns of leads apart: a frame for each table."""
    if project.leads.id not in leads.columns:
        raise InputError("is not there", file="leads", column=project.leads.id)
    keys = {
        label: "" if label.startswith("join.") else getattr(table, "lead", None) or ""
        for label, table in declared_tables(project)
        if label != "leads"
    }
    frames = {"leads": leads.drop(columns=[name for name in keys if name in leads.columns])}
    for name, key in keys.items():
        if name not in leads.columns:
            continue
        rows: list[dict[str, Any]] = []
        for lead, cell in zip(leads[project.leads.id], leads[name], strict=True):
            missing = pd.api.types.is_scalar(cell) and pd.isna(cell)
            found = [] if missing else [cell] if isinstance(cell, dict) else list(cell)
            rows += [{**row, **({key: lead} if key else {})} for row in found]
        frame = pd.DataFrame(rows)
        frames[name] = frame if key else frame.drop_duplicates(ignore_index=True)
    return {name: frame for name, frame in frames.items() if name == "leads" or len(frame)}


def _frame(answers: list[LeadScore]) -> pd.DataFrame:
    frame = pd.DataFrame([asdict(answer) for answer in answers])
    return frame.astype(dict.fromkeys(WHOLE, "Int64"))
