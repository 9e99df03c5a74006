"""The verbs about leads: score, explain, feedback, report, write-back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serving.answers.verdicts import GivenVerdict
from serving.cli import progress, screen
from serving.cli.options import (
    Accept,
    AsOf,
    Cluster,
    EventFiles,
    Json,
    Language,
    Languages,
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
    """Add the verbs to the console command, in the order of the help."""
    app.command()(score)
    app.command()(explain)
    app.command()(feedback)
    app.command()(report)
    app.command("write-back")(write_back)


Lead = Annotated[str, typer.Argument(metavar="LEAD", help="The id of a lead.")]


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


def explain(
    file: ProjectFile,
    lead: Lead,
    as_of: AsOf = None,
    since: Annotated[
        str | None, typer.Option("--since", help="Also say why the score changed since then.")
    ] = None,
    subject: Annotated[
        bool, typer.Option("--subject", help="For the lead itself: factors and their direction.")
    ] = False,
    every: Annotated[
        bool, typer.Option("--all", help="List every contribution, however small.")
    ] = False,
    model: Model = "champion",
    language: Language = None,
    state: StateFolder = None,
    tracking: Tracking = None,
    as_json: Json = False,
) -> None:
    """Say why a lead has its score, in points that add up, and why it changed.

    Example: leadscore explain acme.toml L0000042 --since 2026-10-01
    """
    from serving.session import open_session
    from serving.worklist.language import refuse_unknown

    session = open_session(file, state=state, tracking=tracking, threads=1)
    language = language or session.project.project.language
    refuse_unknown([language])
    session.require_lead(lead)
    from serving.cli.clock import now
    from serving.explain import explain_lead

    with screen.stages(progress.EXPLAIN, quiet=as_json) as stage:
        stage("model")
        loaded = session.model(model)
        stage("reading the sources")
        reading = session.read(kinds=loaded.kinds, lead=lead)
        stage("reasons")
        explanation = explain_lead(
            session,
            reading,
            lead,
            loaded,
            as_of=session.moment(as_of, reading),
            at=now(),
            since=None if since is None else session.moment(since, reading),
            language=language,
            subject=subject,
        )
    if as_json:
        screen.say_json(explanation.to_dict())
    else:
        for line in explanation.lines(every=every):
            screen.say(line)


def feedback(
    file: ProjectFile,
    lead: Lead,
    verdict: Annotated[
        GivenVerdict | None, typer.Argument(help="What holds of the lead, or of its score.")
    ] = None,
    done: Annotated[
        bool, typer.Option("--done", help="Worked: off the list until the lead acts again.")
    ] = False,
    snooze: Annotated[
        str | None,
        typer.Option("--snooze", help="Off the list for so long, or until a day: 14d, 2026-05-12."),
    ] = None,
    disqualify: Annotated[
        bool, typer.Option("--disqualify", help="Out, and without a band; say --because.")
    ] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Take the newest answer back, within 24 hours.")
    ] = False,
    permanent: Annotated[
        bool,
        typer.Option("--permanent", help="Disqualified also if the lead is closed and comes back."),
    ] = False,
    because: Annotated[str, typer.Option("--because", help="In the rep's own words.")] = "",
    by: Annotated[str, typer.Option("--by", help="Who answers.")] = "",
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="When it was said; left out, now.")
    ] = None,
    state: StateFolder = None,
) -> None:
    """Answer to a score: the next list obeys, training learns from it as from a dated fact.

    Done, snoozed and disqualified leads leave the list and stand under Answered.

    Example: leadscore feedback acme.toml L0000042 wrong --because "no budget before May" --by Ada
    Example: leadscore feedback acme.toml L0000042 --snooze 14d --because "on leave" --by Ada
    """
    from data.errors import InputError
    from serving.answers.give_answer import end_of_snooze, give_feedback, said_at, undo_feedback
    from serving.cli.clock import now
    from serving.session import open_session

    session = open_session(file, state=state)
    given: list[str] = [verdict] if verdict else []
    given += [name for name, told in (("done", done), ("disqualify", disqualify)) if told]
    given += ["snooze"] if snooze is not None and verdict != "snooze" else []
    if len(given) + undo != 1:
        found = ", ".join([*given, *(["undo"] if undo else [])]) or "nothing"
        raise InputError(
            f"say one thing of the lead, found {found}",
            cure="give a verdict, --done, --snooze, --disqualify or --undo",
        )
    at = said_at(as_of, session.project, now())
    if undo:
        screen.say(undo_feedback(session.state.feedback, lead=lead, by=by, at=at))
        return
    confirmation = give_feedback(
        session.state.feedback,
        session.state.scores,
        lead=lead,
        verdict=given[0],
        because=because,
        by=by,
        at=at,
        until=None if snooze is None else end_of_snooze(snooze, session.project, at),
        permanent=permanent,
    )
    screen.say(confirmation)


def report(
    file: ProjectFile,
    as_of: AsOf = None,
    model: Model = "champion",
    out: Out = None,
    language: Languages = None,
    deliver: Annotated[
        bool,
        typer.Option(
            "--deliver",
            help="Also CSV and Excel, and for each owner a report, a CSV "
            "and a draft e-mail (.eml).",
        ),
    ] = False,
    threads: Threads = None,
    state: StateFolder = None,
    tracking: Tracking = None,
    as_json: Json = False,
) -> None:
    """Write the report for sales, one HTML file per language, and the model page.

    Example: leadscore report acme.toml --lang it --out report/ --deliver
    """
    from serving.cli.clock import new_run_id, now
    from serving.session import open_session
    from serving.worklist.language import refuse_unknown
    from serving.write_reports import write_reports

    session = open_session(file, state=state, tracking=tracking, threads=threads)
    languages = tuple(dict.fromkeys(language or session.project.report.languages))
    refuse_unknown(languages)
    at = now()
    with screen.stages(progress.REPORT, quiet=as_json) as stage:
        stage("model")
        loaded = session.model(model)
        stage("reading the sources")
        reading = session.read(kinds=loaded.kinds)
        paths = write_reports(
            session,
            reading,
            loaded,
            as_of=session.moment(as_of, reading),
            scored_at=at,
            run_id=new_run_id(at),
            folder=out or session.state.reports,
            languages=languages,
            per_owner=deliver,
            on_stage=stage,
        )
    if as_json:
        screen.say_json({"files": [str(path) for path in paths]})
    else:
        for path in paths:
            screen.say(str(path))
        if deliver and not session.project.report.recipients:
            screen.say(
                "the drafts have no recipient: [report] recipients maps owners to e-mail addresses"
            )


def write_back(
    file: ProjectFile,
    scores: Annotated[
        Path | None, typer.Option("--scores", help="Default: the newest run's scores.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Go the whole way, write nothing.")
    ] = False,
    state: StateFolder = None,
    as_json: Json = False,
) -> None:
    """Send to the CRM what changed, once in effect; a second run sends nothing.

    Example: leadscore write-back acme.toml --dry-run
    """
    from dataclasses import asdict

    from data.project import load_project
    from serving.cli.clock import new_run_id, now
    from serving.writeback.write_back import write_back as send
    from training.state import StatePaths
    from training.state_format import bring_up_to_date

    project = load_project(file)
    place = StatePaths.of(project, state)
    bring_up_to_date(place)
    at = now()
    with screen.stages(progress.WRITE_BACK, quiet=as_json) as stage:
        result = send(
            scores or place.scores,
            project,
            place.folder,
            now=at,
            run_id=new_run_id(at),
            dry_run=dry_run,
            on_stage=stage,
            on_sent=stage.count,
        )
    if as_json:
        screen.say_json(asdict(result))
    else:
        screen.say(result.summary)
    if result.exit_code:
        raise typer.Exit(result.exit_code)
