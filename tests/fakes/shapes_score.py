"""What `leadscore init` makes of a shape, measured against the truth: file, id, outcome, words."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import tomlkit
from tomlkit.items import AoT, Table

from data.clock import NEVER
from data.errors import LeadScoreError
from data.project import load_project
from data.reading.read_tables import read_tables
from data.reading.sources import read_source
from data.schema import Project
from data.sketch.write import sketch_project
from tests.fakes import (
    shapes_further,
    shapes_languages,
    shapes_mixed_dates,
    shapes_other_crms,
    shapes_salesforce_hubspot_dynamics,
    shapes_tables,
)
from tests.fakes.shapes_funnel import MakeShape, ShapeCase, Truth, make_funnel
from training.train import train

SHAPES: tuple[MakeShape, ...] = (
    *shapes_salesforce_hubspot_dynamics.SHAPES,
    *shapes_other_crms.SHAPES,
    *shapes_languages.SHAPES,
    *shapes_tables.SHAPES,
)
"""The forty shapes; the first 22 have the column names of a vendor's export."""

FURTHER: tuple[MakeShape, ...] = (*shapes_further.SHAPES, *shapes_mixed_dates.SHAPES)
"""Shapes written after init was rebuilt."""

ALWAYS_UNTRUE = (
    "no column could be the outcome",
    "nothing could be the conversion",
    "events are needed",
    "so none holds leads",
    "day and month may be exchanged",
    "No creation time",
    "without dates there is no horizon",
    "was not understood",
)
"""Every shape has leads, an outcome, dates of creation and unambiguous days; all files matter."""


@dataclass(frozen=True, slots=True)
class ShapeScore:
    """What was right without an edit, whether training ran once asked questions were answered."""

    shape: str
    wrote: bool
    id: bool = False
    created: bool = False
    tables: bool = False
    outcome: bool = False
    trained: bool | None = None
    untrue: tuple[str, ...] = ()
    trouble: str = ""

    @property
    def right(self) -> bool:
        """Tell whether id, creation, tables and outcome are right without an edit."""
        return self.wrote and self.id and self.created and self.tables and self.outcome


def score_shape(make: MakeShape, folder: Path, *, with_training: bool, seed: int = 7) -> ShapeScore:
    """Write the files of a shape into a folder, run init on them, and compare with the truth."""
    case = make(make_funnel(seed))
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in case.files.items():
        (folder / name).write_bytes(content)
    shape = make.__name__
    try:
        text = sketch_project([folder / name for name in case.files], folder=folder)
    except LeadScoreError as error:
        return ShapeScore(shape, wrote=False, untrue=_untrue(str(error)), trouble=str(error))
    file = folder / "project.toml"
    file.write_text(text, encoding="utf-8")
    try:
        project = load_project(file)
    except LeadScoreError as error:
        return ShapeScore(shape, wrote=False, untrue=_untrue(text), trouble=str(error))
    outcome, trouble = _outcome(project, case.truth)
    trained = None
    if with_training:
        trained, answer = _trains(file, text, case.truth)
        trouble = trouble or answer
    wrong = (*_untrue(text), *_untrue(trouble), *_wrong_figures(text, case, project))
    return ShapeScore(
        shape,
        wrote=True,
        id=(project.leads.source, project.leads.id) == (case.truth.leads, case.truth.id),
        created=project.leads.created_at == case.truth.created,
        tables=all(
            role in case.truth.roles.get(name, "unused").split("|")
            for name, role in roles(project, case).items()
        ),
        outcome=outcome,
        trained=trained,
        untrue=wrong,
        trouble=trouble,
    )


def roles(project: Project, case: ShapeCase) -> dict[str, str]:
    """Say what a project file takes each file for."""
    found: dict[str, str] = dict.fromkeys(case.files, "unused")
    if project.conversion.source:
        found[project.conversion.source] = "conversion"
    for role, sections in (
        ("history", project.leads.history),
        ("join", project.leads.join),
        ("events", project.events),
    ):
        for section in sections:
            found[section.source] = role
    found[project.leads.source] = "leads"
    if "*" in project.leads.source:
        found.update(dict.fromkeys(fnmatch.filter(found, project.leads.source), "leads"))
        del found[project.leads.source]
    return found


def _outcome(project: Project, truth: Truth) -> tuple[bool, str]:
    """Tell whether the leads and those who converted are read as they are."""
    try:
        tables, outcomes = read_tables(project)
    except LeadScoreError as error:
        return False, str(error)
    converted = {
        str(name)
        for name, at in zip(tables.lead_ids, outcomes.converted_at, strict=True)
        if at != NEVER
    }
    ids = {str(name) for name in tables.lead_ids}
    kept = ids if truth.kept is None else truth.kept
    wanted = truth.converted & kept
    trouble = "" if converted == wanted else f"{len(converted)} converted, truth {len(wanted)}"
    if truth.kept is not None and ids != truth.kept:
        trouble = trouble or f"{len(ids)} leads kept, truth {len(truth.kept)}"
    return not trouble, trouble


def _trains(file: Path, text: str, truth: Truth) -> tuple[bool, str]:
    """Answer the CHOOSE lines and train."""
    asked = set(choose_keys(text))
    answers = {key: value for key, value in truth.answers.items() if key in asked}
    try:
        project = load_project(file, overrides=answers)
        tables, outcomes = read_tables(project)
        train(project, tables, outcomes, seed=0, threads=1, fast=True)
    except LeadScoreError as error:
        return False, f"train: {error}"
    return True, ""


def choose_keys(text: str) -> Iterator[str]:
    """List the dotted keys beside which a comment asks to CHOOSE."""
    yield from _asked(tomlkit.parse(text), "")


def _asked(table: Mapping[str, object], above: str) -> Iterator[str]:
    for key, item in table.items():
        if isinstance(item, AoT):
            for number, part in enumerate(item):
                yield from _asked(part, f"{above}{key}.{number}.")
        elif isinstance(item, Table):
            yield from _asked(item, f"{above}{key}.")
        elif "CHOOSE" in getattr(getattr(item, "trivia", None), "comment", ""):
            yield above + key


def _untrue(said: str) -> tuple[str, ...]:
    """Find words that are true of no shape, and cures that would not help."""
    wrong = [words for words in ALWAYS_UNTRUE if words in said]
    cell = re.search(r"is no timestamp: '([^']*)'", said)
    cure = re.search(r'date_format = "([^"]*)"', said)
    if cell and cure and pd.isna(pd.to_datetime(cell[1], format=cure[1], errors="coerce")):
        wrong.append(f"{cure[0]} for {cell[1]}")
    return tuple(wrong)


def _wrong_figures(text: str, case: ShapeCase, project: Project) -> Iterator[str]:
    """Find counts, shares and encodings that the files do not bear out."""
    every = (project.leads, *project.events, *project.leads.join, *project.leads.history)
    for section in every:
        wanted = case.truth.encodings.get(section.source, "utf-8")
        if section.encoding != wanted:
            yield f"encoding {section.encoding} of {section.source}, truth {wanted}"
    frame = read_source(project.leads.model_copy(update={"where": None}), project).table.to_pandas()
    if (
        repeated := re.search(r"([\d,]+) rows? repeats? an id", text)
    ) and project.leads.id in frame:
        count = int(frame[project.leads.id].duplicated().sum())
        if int(repeated[1].replace(",", "")) != count:
            yield f"{repeated[0]}, truth {count}"
    for name, share in re.findall(r"^#\s+(.+): in (\d+)% of the rows", text, re.MULTILINE):
        if name in frame and f"{(frame[name] != '').mean():.0%}" != f"{share}%":
            yield f"{name}: in {share}% of the rows"
