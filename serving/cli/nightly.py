"""The verb for a scheduler: night."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from serving.cli import progress, screen
from serving.cli.options import Accept, AsOf, Cluster, ProjectFile, StateFolder, Threads, Tracking

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from serving.night_result import NightResult


def add_to(app: typer.Typer) -> None:
    """Add the verb to the console command."""
    app.command()(night)


def night(
    file: ProjectFile,
    as_of: AsOf = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Go the whole way, write nothing.")
    ] = False,
    accept: Accept = False,
    cluster: Cluster = None,
    threads: Threads = None,
    state: StateFolder = None,
    tracking: Tracking = None,
) -> None:
    """Do all that a night needs: pull, guard, score, write back, report, monitor, retrain.

    What is done and when it retrains stands in the section night of the project file. A step that
    fails hinders only what needs it; run again, it does what is missing and sends nothing twice.
    Standard output is one JSON document on one line; the exit code is that of the step that matters
    most among those that failed: scores first, then write-back, pull, report, monitor, retrain.

    Example: leadscore night acme.toml
    """
    from serving.writeback.stop import Interrupt

    with Interrupt() as interrupt:
        asked = partial(_do_night, dry_run=dry_run, accept=accept, cluster=cluster)
        result = asked(file, as_of, state, tracking, threads, interrupt.begin)
        interrupt.over = True  # the answer is printed whole
        screen.say_json(result.to_dict())
    if result.exit_code:
        raise typer.Exit(result.exit_code)


def _do_night(
    file: Path,
    as_of: str | None,
    state: Path | None,
    tracking: str | None,
    threads: int | None,
    begin: Callable[[], None],
    *,
    dry_run: bool,
    accept: bool,
    cluster: str | None,
) -> NightResult:
    """Do the night; what hindered it altogether is its `error`.

    `begin` is told when all is imported that the answer needs: from then on a signal breaks off.
    """
    from data.errors import LeadScoreError, internal_error
    from data.project import load_project
    from serving.cli.clock import new_run_id, now, ticks
    from serving.night import run_night
    from serving.night_result import NightResult
    from serving.night_steps import STOPPED_BY_SIGNAL, NightClock
    from serving.session import open_session

    at, started = now(), ticks()
    name = file.stem
    try:
        begin()
        with redirect_stdout(sys.stderr), screen.stages(progress.NIGHT, quiet=False) as stage:
            name = load_project(file).project.name  # the answer bears it whatever fails next
            session = open_session(file, state=state, tracking=tracking, threads=threads)
            return run_night(
                session,
                as_of=as_of,
                accept=accept,
                dry_run=dry_run,
                cluster=cluster,
                clock=NightClock(now, ticks, new_run_id),
                on_stage=stage,
                say=screen.note,
            )
    except LeadScoreError as refusal:
        error, code = str(refusal), refusal.exit_code
    except KeyboardInterrupt:
        error, code = STOPPED_BY_SIGNAL, 4
    except Exception as fault:
        if os.environ.get("LEADSCORE_DEBUG"):
            raise
        error, code = internal_error(fault), 1
    screen.note(f"leadscore: {error}")
    seconds = ticks() - started
    return NightResult(name, at, seconds, "", dry_run=dry_run, error=error, refused_with=code)
