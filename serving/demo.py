"""`leadscore demo`: a simulated company, from raw tables to scores in its CRM and a report."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from data.errors import GateError, InputError
from data.files import write_text
from data.world import make_world, project_file, write_world
from serving.run_moment import RunMoment
from serving.session import Session, open_session
from serving.verbs import champion_is_current, score_run, train_model
from serving.write_reports import write_views
from serving.writeback.write_back import WriteBackResult, write_back
from training.model_card import ModelCard

KIND: Final = "software_trial"


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demo made, and what it prints at the end."""

    folder: Path
    trained: str
    card: ModelCard
    scored: int
    sent: WriteBackResult
    reports: tuple[Path, ...]

    def lines(self) -> list[str]:
        """Write the result for a person."""
        lines = [self.trained, "on the newest leads, which no model had seen:"]
        for name in ("model", "logistic", "rule", "recency", "prior"):
            loss, area = self.card.figure("log_loss", name), self.card.figure("auc", name)
            if loss is not None and area is not None:
                lines.append(
                    f"  {name:<9} log loss {loss['value']:.4f}   AUC {area['value']:.3f} "
                    f"({area['low']:.3f} to {area['high']:.3f})"
                )
        lines += [
            f"{self.scored:,} open leads scored",
            f"written to the CRM: {self.sent.sent:,} ({self.sent.summary})",
            "look at:",
            *(f"  {path}" for path in self.reports),
        ]
        return lines


def run_demo(
    folder: Path,
    *,
    leads: int,
    seed: int,
    language: str | None,
    threads: int | None,
    now: int,
    run_id: str,
    on_stage: Callable[[str], None],
) -> Demo:
    """Simulate once, train unless the champion is current, score, write back, report.

    A second run on the same folder changes nothing: the scores are the same.
    """
    on_stage("simulated CRM")
    project = make_company(folder, leads=leads, seed=seed)
    session = open_session(project, state=folder / "state", seed=seed, threads=threads)
    trained = train_once(session, on_stage)
    on_stage("model")
    model = session.model("champion")
    reading = session.read(kinds=model.kinds)
    run = RunMoment(reading.tables.observed_until, now, run_id)
    scored = score_run(session, reading, model, run, for_report=True, on_stage=on_stage)
    on_stage("CRM")
    sent = write_back(
        session.state.scores, session.project, session.state.folder, now=now, run_id=run_id
    )
    languages = (language,) if language else session.project.report.languages
    reports = write_views(
        session,
        reading,
        model,
        scored,
        folder=folder / "report",
        languages=languages,
        on_stage=on_stage,
    )
    return Demo(folder, trained, model.card, len(scored.table), sent, tuple(reports))


def make_company(folder: Path, *, leads: int, seed: int) -> Path:
    """Write the simulated tables and their project file, once.

    InputError where the folder holds a company of another size or seed.
    """
    place = folder / "data"
    project, made_of = place / f"{KIND}.toml", place / "demo.json"
    asked = {"leads": leads, "seed": seed}
    if not project.is_file():
        write_world(make_world(KIND, leads, seed), place, project=project_file(KIND))
        write_text(made_of, json.dumps(asked))
        return project
    found = _made_of(place, made_of)
    if any(found.get(key, value) != value for key, value in asked.items()):
        size = " and ".join(f"{key} {value:,}" for key, value in found.items())
        raise InputError(
            f"holds a demo of {size} already",
            file=str(folder),
            cure=f"give another folder (--out), or ask for that one: "
            f"{' '.join(f'--{key} {value}' for key, value in found.items())}",
        )
    return project


def _made_of(place: Path, made_of: Path) -> dict[str, int]:
    """Read size and seed of the company in a folder; of an older one the size is counted."""
    if made_of.is_file():
        return {key: int(value) for key, value in json.loads(made_of.read_text("utf-8")).items()}
    return {"leads": pq.read_metadata(place / "leads.parquet").num_rows}


def train_once(session: Session, on_stage: Callable[[str], None]) -> str:
    """Train unless the champion was trained on the same data; say which.

    GateError, with the reason, where there is still no champion.
    """
    on_stage("reading the sources")
    reading = session.read()
    if champion_is_current(session, reading):
        return "the model is current: trained on these data before"
    trained, published = train_model(session, reading, on_stage=on_stage)
    if session.registry.champion() is None:
        raise GateError(published.sentence, cure="look at the leak report: leadscore check")
    card = trained.card
    return (
        f"trained on {card.train_rows:,} snapshots of {card.train_leads:,} past leads "
        f"({card.train_leads_converted:,} became opportunities); {published.sentence}"
    )
