"""The verbs about a project file and its data: demo, init, check, schema."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from serving.cli import progress, screen
from serving.cli.options import (
    EventFiles,
    Json,
    Language,
    Leads,
    Out,
    ProjectFile,
    Seed,
    StateFolder,
    Threads,
)


def add_to(app: typer.Typer) -> None:
    """Add the verbs to the console command, in the order of the help."""
    app.command()(demo)
    app.command()(init)
    app.command()(check)
    app.command()(schema)


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder of the demo.")] = Path(
        ".leadscore/demo"
    ),
    leads: Annotated[
        int, typer.Option("--leads", min=500, max=100_000, help="How many leads to simulate.")
    ] = 3000,
    language: Language = None,
    seed: Seed = 0,
    threads: Threads = None,
) -> None:
    """Show the whole way on a simulated software company: train, score, CRM, report.

    Example: leadscore demo --lang it
    """
    from serving.cli.clock import new_run_id, now
    from serving.demo import run_demo
    from serving.worklist.language import refuse_unknown

    refuse_unknown([language] if language else [])
    at = now()
    with screen.stages(progress.DEMO, quiet=False) as stage:
        result = run_demo(
            out,
            leads=leads,
            seed=seed or 0,
            language=language,
            threads=threads,
            now=at,
            run_id=new_run_id(at),
            on_stage=stage,
        )
    for line in result.lines():
        screen.say(line)


def init(
    data: Annotated[list[Path], typer.Argument(help="The files of leads and events.")],
    out: Out = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Ask nothing: take the first guess everywhere.")
    ] = False,
) -> None:
    """Write a commented project file by looking at the columns of your files.

    On a terminal it asks where it must guess; else, and with --yes, it takes its first guess and
    marks the line CHOOSE. --yes also declares as fixed the columns that look so. A file that stands
    at --out and says something else is never overwritten.

    Example: leadscore init leads.csv touches.parquet --out acme.toml
    """
    from data.files import write_text
    from data.schema import JSON_SCHEMA
    from data.sketch.questions import Answers
    from data.sketch.read_back import read_back
    from data.sketch.write import count_choices, sketch_project

    folder = "." if out is None else out.parent
    asks = not yes and sys.stdin.isatty() and screen.err.is_terminal
    if asks and out is not None:
        _keep_other(out, "")  # before a person answers in vain
    answers = Answers(ask=screen.choose if asks else None, accept=yes)
    looking = screen.stages(progress.INIT, quiet=False)
    text = sketch_project(data, folder=folder, answers=answers, looking=looking)
    if out is None:
        screen.say(text)
        return
    beside = ".leadscore/project.schema.json"  # editors complete and check the file with it
    written = f"#:schema {beside}\n{text}"
    _keep_other(out, written)
    write_text(out.parent / beside, JSON_SCHEMA.read_text(encoding="utf-8"))
    write_text(out, written)
    screen.say(read_back(text, folder))
    if count := count_choices(text):
        lines = "1 line says CHOOSE" if count == 1 else f"{count} lines say CHOOSE"
        screen.say(f"{lines}: what the files do not tell; the first guess stands there")
    screen.say(f"{out}: read it, then run `leadscore check {out}`")


def _keep_other(out: Path, written: str) -> None:
    """Refuse to overwrite a file that says something else: a person may have edited it."""
    from data.errors import InputError

    if out.is_file() and out.read_text(encoding="utf-8", errors="replace") != written:
        raise InputError(
            "stands there already and says something else; init overwrites nothing",
            file=str(out),
            cure="give --out another name and compare the two, or move the old file away first",
        )


def check(
    file: ProjectFile,
    leads: Leads = None,
    events: EventFiles = None,
    out: Out = None,
    threads: Threads = None,
    state: StateFolder = None,
    as_json: Json = False,
) -> None:
    """Check data and time: what is read, what is no feature, what leaks.

    Ends as `train` would: exit code 3 where a leak or too few outcomes stop it, 2 where input does.
    A column that is only left out until somebody signs for it stops nothing.

    Example: leadscore check examples/olist.toml --out audit.html
    """
    from data.reading.project_root import outside_sources
    from serving.check import check_project
    from serving.cli.clock import now
    from serving.session import open_session

    session = open_session(file, state=state, threads=threads)
    with screen.stages(progress.CHECK, quiet=as_json) as stage:
        stage("reading the sources")
        result = check_project(session, session.read(leads, events), on_stage=stage, now=now())
    if out is not None:
        from data.files import write_text

        write_text(out, result.page)
    if as_json:
        screen.say_json(result.to_dict())
    else:
        for line in (*result.counts(), *map("note: {}".format, outside_sources(session.project))):
            screen.say(line)
        screen.column_table(result.table)
        for line in result.remarks():
            screen.say(line)
        if not result.stops:
            screen.say_next(f"leadscore train {file}", state=state)
    if result.stops:
        raise typer.Exit(result.exit_code)


def schema(out: Out = None) -> None:
    """Print the JSON Schema of the project file, with which editors complete and check it.

    Example: leadscore schema --out project.schema.json
    """
    from data.files import write_text
    from data.schema import JSON_SCHEMA

    text = JSON_SCHEMA.read_text(encoding="utf-8")
    if out is None:
        screen.say(text.rstrip())
    else:
        write_text(out, text)
