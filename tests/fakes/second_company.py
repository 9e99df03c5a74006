"""Other leads of the company that tests share, scored by its champion: no training of their own."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from data.world import make_world, write_world
from serving.lead_score import LeadScore, WordedReason, lead_scores
from tests.golden.product import Run, leadscore

OF_THE_RUN = {"scored_at", "run_id", "assumed"}
"""What an answer says of itself: when it was given, in which run, and what was assumed."""


@dataclass(frozen=True, slots=True)
class SecondCompany:
    """A project file beside its tables, and a state folder with a champion."""

    file: Path
    state: Path

    @classmethod
    def make(
        cls, first: Path, state: Path, folder: Path, *, leads: int, seed: int
    ) -> SecondCompany:
        """Simulate other leads for the project file `first`, beside a copy of its registry.

        What else the first company's state holds (scores, ledger, who saw what) is left behind.
        """
        write_world(make_world("software_trial", leads, seed), folder, project=first)
        (folder / "state").mkdir()
        shutil.copy(state / "mlflow.db", folder / "state")
        for name in ("mlartifacts", "audits"):
            shutil.copytree(state / name, folder / "state" / name)
        return cls(folder / first.name, folder / "state")

    def run(self, *arguments: object) -> Run:
        """Run a verb on the project file, with the state folder where it takes one."""
        verb = next(each for each in arguments if not str(each).startswith("--"))
        words = 2 if verb == "experiment" else 1
        return leadscore(*arguments[:words], self.file, *arguments[words:], "--state", self.state)

    def append(self, text: str) -> None:
        """Write further lines into the project file."""
        self.file.write_text(self.file.read_text(encoding="utf-8") + text, encoding="utf-8")

    def night(self) -> dict[str, LeadScore]:
        """Read scores.parquet: lead -> answer."""
        return {e.lead_id: e for e in lead_scores(pq.read_table(self.state / "scores.parquet"))}

    def table(self, name: str) -> pd.DataFrame:
        """Read one of the raw tables."""
        return pd.read_parquet(self.file.parent / f"{name}.parquet")

    def requests(self, leads: Sequence[str]) -> list[dict[str, Any]]:
        """Lay out leads for POST /v1/score: rows, events, account, and all that was changed."""
        raw = self.table("leads").set_index("lead_id", drop=False)
        accounts = self.table("accounts").set_index("account_id", drop=False)
        touches = _by_lead(self.table("touches"))
        history = _by_lead(self.table("lead_history"))
        return [
            {
                "attributes": plain(raw.loc[lead].to_dict()),
                "events": {"0": touches.get(lead, [])},
                "history": {"0": history.get(lead, [])},
                "joined": {"0": plain(accounts.loc[raw.loc[lead]["account_id"]].to_dict())},
            }
            for lead in leads
        ]


def _by_lead(table: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in table.to_dict("records"):
        rows.setdefault(row["lead_id"], []).append(plain(row))
    return rows


def plain(row: dict[Any, Any]) -> dict[str, Any]:
    """Turn pandas values into what JSON knows."""

    def value(v: Any) -> Any:
        if isinstance(v, pd.Timestamp):
            return v.isoformat()
        return None if pd.isna(v) else v.item() if isinstance(v, np.generic) else v

    return {str(key): value(v) for key, v in row.items()}


def from_json(row: dict[str, Any]) -> LeadScore:
    """Read an answer of the service."""
    times = {name: datetime.fromisoformat(row[name]) for name in ("as_of", "scored_at")}
    reasons = tuple(WordedReason(**each) for each in row["reasons"])
    return LeadScore(**{**row, **times, "reasons": reasons, "assumed": tuple(row["assumed"])})


def from_frame(frame: pd.DataFrame) -> list[LeadScore]:
    """Read the rows that the MLflow model gives."""
    answers = []
    for row in frame.to_dict("records"):
        flat = {k: v for k, v in row.items() if k not in ("reasons", "assumed")}
        flat = {str(k): None if pd.isna(v) else v for k, v in flat.items()}
        reasons = tuple(WordedReason(**each) for each in row["reasons"])
        answers.append(LeadScore(**flat, reasons=reasons, assumed=tuple(row["assumed"])))
    return answers


def differences(night: dict[str, LeadScore], answers: list[LeadScore]) -> list[tuple[Any, ...]]:
    """List (lead, field, night, answer) wherever an answer differs from the night's."""
    names = [field.name for field in fields(LeadScore) if field.name not in OF_THE_RUN]
    return [
        (each.lead_id, name, getattr(night[each.lead_id], name), getattr(each, name))
        for each in answers
        for name in names
        if getattr(night[each.lead_id], name) != getattr(each, name)
    ]
