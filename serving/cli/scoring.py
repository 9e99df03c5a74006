"""The verb that scores: all open leads at once, in parts, or on a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serving.cli import progress, screen
from serving.cli.options import (
    Accept,
    AsOf,
    Cluster,
    EventFiles,
    Json,
    Leads,
    Memory,
    Model,
    Out,
    ProjectFile,
    StateFolder,
    Threads,
    Tracking,
)

if TYPE_CHECKING:
    from data.schema import Project
    from serving.loaded_model import LoadedModel
    from serving.parts.gather_parts import ScoredNight
    from serving.parts.part_manifest import PartManifest


def add_to(app: typer.Typer) -> None:
    """Add the verb to the console command."""
    app.command()(score)


def score(
    file: ProjectFile,
    as_of: AsOf = None,
    model: Model = "champion",
    out: Out = None,
    threads: Threads = None,
    state: StateFolder = None,
    tracking: Tracking = None,
    leads: Leads = None,
    events: EventFiles = None,
    accept: Accept = False,
    parts: Annotated[
        str | None,
        typer.Option("--parts", help="Score in so many parts; all: by --memory, the default."),
    ] = None,
    memory: Memory = None,
    cluster: Cluster = None,
    part: Annotated[
        str | None,
        typer.Option("--part", help="Score one part into the folder --out: 3/16 is the third."),
    ] = None,
    gather: Annotated[
        Path | None, typer.Option("--gather", help="Make a run of the parts in a folder.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Score every open lead: probability, score, band, reasons, stage and trend, as Parquet.

    Tonight's data are compared with the last good night first: a cut or old extract, a silent
    source, renamed levels, an emptied column stop it (exit 3) before anything is written.
    In parts, on other machines or on a cluster the result is the same, bit for bit.

    Example: leadscore score acme.toml --as-of 2026-11-01 --out scores.parquet
    Example: leadscore score acme.toml --part 3/16 --out parts/
    Example: leadscore score acme.toml --gather parts/
    """
    from data.buckets import Part
    from data.errors import InputError
    from serving.cli.clock import new_run_id, now
    from serving.parts.gather_parts import gather_parts
    from serving.parts.part_job import AskedRun
    from serving.parts.plan_parts import plan_parts
    from serving.parts.score_company import (
        copy_scores,
        refuse_together,
        score_company,
        score_one_part,
    )
    from serving.session import open_session

    refuse_together(part=part, gather=gather, parts=parts)
    refuse_together(part=part, gather=gather, cluster=cluster)
    for name, given in {"as_of": as_of, "leads": leads, "events": events}.items():
        refuse_together(gather=gather, **{name: given})  # the parts say what they were scored of
    if part is not None and out is None:
        raise InputError("--part needs the folder in which the part is written", cure="give --out")
    session = open_session(file, state=state, tracking=tracking, threads=threads)
    plan = plan_parts(
        session,
        parts=parts,
        memory=memory,
        processes=threads or 1,
        cluster=cluster,
        leads=leads,
        events=events,
    )
    at = now()
    asked = AskedRun(at, new_run_id(at), as_of, leads, None if events is None else tuple(events))
    with screen.stages(progress.SCORE, quiet=as_json) as stage:
        stage("model")
        loaded = session.model(model)
        if part is not None and out is not None:
            made = score_one_part(session, loaded, Part.read(part), out, asked, on_stage=stage)
        elif gather is not None:
            scored = gather_parts(
                session, loaded, gather, run_id=asked.run_id, accept=accept, on_stage=stage
            )
        else:
            scored = score_company(
                session,
                loaded,
                plan,
                asked,
                accept=accept,
                on_stage=stage,
                on_part=stage.count,
            )
    if part is not None and out is not None:
        _say_part(made, out, as_json=as_json)
    else:
        path = session.state.scores if out is None else copy_scores(session.state.scores, out)
        _say_scored(session.project, loaded, scored, path, as_json=as_json)


def _say_part(made: PartManifest, out: Path, *, as_json: bool) -> None:
    """Say what was scored of a company."""
    name = f"{made.number}/{made.of}"
    if as_json:
        about = {"part": name, "leads": made.rows, "model_version": made.model_version}
        screen.say_json({**about, "folder": str(out)})
        return
    screen.say(f"part {name}: {made.rows:,} open leads scored by version {made.model_version}")
    screen.say(str(out))


def _say_scored(
    project: Project, model: LoadedModel, scored: ScoredNight, path: Path, *, as_json: bool
) -> None:
    """Say what was scored, and what a person should know of it."""
    from serving.edited_project import say_edited
    from serving.lead_ages import word_older

    if as_json:
        screen.say_json(
            {
                "leads": scored.leads,
                "bands": dict(scored.bands),
                "held_back": scored.held,
                "bands_cut_at": dict(model.scorer.card.bands),
                "path": str(path),
                "model_version": model.version,
                "accepted": list(scored.accepted),
            }
        )
        return
    bands = ", ".join(f"{name} {count:,}" for name, count in scored.bands.items())
    screen.say(f"{scored.leads:,} open leads scored by version {model.version}: {bands}")
    for breach in scored.accepted:
        screen.say(f"accepted: {breach}")
    if scored.held:
        screen.say(
            f"{scored.held:,} of them are held back by the experiment: no score is shown of them"
        )
    older = word_older(project, scored.older, scored.leads)
    for note in filter(None, (*say_edited(project, model), older, *scored.notes)):
        screen.say(f"note: {note}")
    screen.say(str(path))
