"""The console command `leadscore`: verbs, and errors as one line with an exit code."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Literal, NoReturn

import typer

from data.errors import LeadScoreError, internal_error
from data.network import never_reach_link_local
from serving.cli import (
    experiment,
    json_log,
    leads,
    model,
    nightly,
    people,
    project,
    reading,
    scoring,
    service,
    upkeep,
)

app = typer.Typer(
    name="leadscore",
    help="Learns from a CRM's history which leads become opportunities, says how likely and why.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verbs in (project, reading, model, scoring, leads, nightly, service, upkeep):
    verbs.add_to(app)
app.add_typer(experiment.app, name="experiment")
app.add_typer(people.app, name="people")


def _version(asked: object) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"leadscore {version('leadscore')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
    log: Annotated[
        Literal["text", "json"],
        typer.Option(
            "--log",
            envvar="LEADSCORE_LOG",
            help="What standard error holds: lines for a person, or a JSON document a line.",
        ),
    ] = "text",
) -> None:
    """Run before every verb."""
    del version
    if log == "json":
        json_log.begin()


def main() -> None:
    """Run a verb; a LeadScoreError is one line on standard error and its exit code.

    What it writes holds people's data, so it is the user's alone.
    """
    never_reach_link_local()
    mask = os.umask(0o077)
    try:
        app(prog_name="leadscore")
    except LeadScoreError as error:
        _end(str(error), error.exit_code)
    except KeyboardInterrupt:
        _end("stopped", 130)
    except BrokenPipeError:
        sys.exit(1)
    except Exception as error:
        if os.environ.get("LEADSCORE_DEBUG"):
            raise
        _end(f"{internal_error(error)}; LEADSCORE_DEBUG=1 shows where", 1)
    finally:
        os.umask(mask)
        json_log.end()


def _end(message: str, code: int) -> NoReturn:
    """Write the one line of an error on standard error, and end with its code."""
    if json_log.begun():
        json_log.say(message, level="ERROR", exit_code=code)
    else:
        print(f"leadscore: {message}", file=sys.stderr)  # noqa: T201 - the one place that prints
    sys.exit(code)
