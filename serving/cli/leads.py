"""The verbs about leads: explain, feedback, report, write-back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from serving.answers.verdicts import GivenVerdict
from serving.cli import progress, screen
from serving.cli.options import (
    AsOf,
    Json,
    Language,
    Languages,
    Model,
    Out,
    ProjectFile,
    StateFolder,
    Threads,
    Tracking,
)


def add_to(app: typer.Typer) -> None:
    """Add the verbs to the console command, in the order of the help."""
    app.command()(explain)
    app.command()(feedback)
    app.command()(report)
    app.command("write-back")(write_back)


Lead = Annotated[str, typer.Argument(metavar="LEAD", help="The id of a lead.")]


def explain(
    file: ProjectFile,
    lead: Lead,
    as_of: AsOf = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            help="Also say why the score changed since then: a day means its end, and the score "
            "is the last one that was kept up to then.",
        ),
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
        at = session.moment(as_of, reading)
        stage("reasons")
        explanation = explain_lead(
            session,
            reading,
            lead,
            loaded,
            as_of=at,
            at=now(),
            since=None if since is None else session.earlier(since, at),
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
    from serving.answers.answer_store import NEEDS_NO_REASON
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
    if not because.strip() and given[0] not in NEEDS_NO_REASON:
        raise InputError("the answer gives no reason", cure='add --because "…", in your own words')
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
    if result.warning:
        screen.note(result.warning)
    if result.exit_code:
        raise typer.Exit(result.exit_code)
