"""The verbs of an operator: doctor, backup, restore."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from serving.cli import screen
from serving.cli.options import Json, ProjectFile, StateFolder, Tracking


def add_to(app: typer.Typer) -> None:
    """Add the verbs to the console command, in the order of the help."""
    for verb in (doctor, backup, restore):
        app.command()(verb)


def doctor(
    file: ProjectFile,
    fix: Annotated[
        bool, typer.Option("--fix", help="Do what is safe: rights, leftovers, killed trainings.")
    ] = False,
    state: StateFolder = None,
    tracking: Tracking = None,
    as_json: Json = False,
) -> None:
    """Look over state folder, registry, ledger, rights, disk and versions; exit 3 if one is wrong.

    With --fix, rights of others, unfinished files, what killed trainings left and runs that are too
    old go away; what needs a decision is left to you.

    Example: leadscore doctor acme.toml
    """
    from serving.cli.clock import now
    from serving.session import open_session
    from serving.upkeep.doctor import examine, mend

    session = open_session(file, state=state, tracking=tracking)
    findings = examine(session, at=now())
    done = mend(findings) if fix else []
    if done:
        findings = examine(session, at=now())
    wrong = [each for each in findings if each.condition == "wrong"]
    if as_json:
        screen.say_json(
            {
                "wrong": len(wrong),
                "fixed": done,
                "findings": [each.to_dict() for each in findings],
            }
        )
    else:
        for line in done:
            screen.say(f"fixed: {line}")
        screen.wrapped_table(
            {"looked at": 4, "": 2, "found": 12, "what to do": 9},
            [(each.check, each.condition, each.words, each.cure) for each in findings],
        )
    if wrong:
        raise typer.Exit(3)


def backup(
    file: ProjectFile,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="The archive; default: <project>-<time>.tar.gz in this folder."),
    ] = None,
    state: StateFolder = None,
    as_json: Json = False,
) -> None:
    """Copy registry, models, ledger, scores and answers into one archive, while jobs run.

    It holds people's data and only its owner may read it. Sources, the CRM and a ledger in
    PostgreSQL have backups of their own.

    Example: leadscore backup acme.toml --out /backup/acme.tar.gz
    """
    from serving.cli.clock import new_run_id, now
    from serving.session import open_session
    from serving.upkeep.backup import back_up

    session = open_session(file, state=state)
    at = now()
    name = session.project.project.name
    archive = out or Path(f"{name}-{new_run_id(at)[:16]}.tar.gz")
    listing = back_up(session.state, name, archive, at=at)
    ledger = session.project.write_back.ledger
    elsewhere = ledger is not None and "://" in ledger
    if as_json:
        screen.say_json({"archive": str(archive), "files": len(listing.files)})
        return
    screen.say(f"{archive}: {len(listing.files):,} files")
    if elsewhere:
        screen.say("the ledger is in a database of its own: back that up too")


def restore(
    file: ProjectFile,
    archive: Annotated[Path, typer.Argument(metavar="ARCHIVE", help="What `backup` wrote.")],
    state: StateFolder = None,
    as_json: Json = False,
) -> None:
    """Unpack a backup into a state folder that is not there yet; every hash is compared first.

    Example: leadscore restore acme.toml /backup/acme.tar.gz --state /srv/acme/state
    """
    from data.project import load_project
    from serving.upkeep.backup import restore as unpack
    from training.state import StatePaths

    project = load_project(file)
    paths = StatePaths.of(project, state)
    listing = unpack(paths, project.project.name, archive)
    if as_json:
        screen.say_json(
            {
                "state": str(paths.folder),
                "files": len(listing.files),
                "made_at": listing.made_at,
            }
        )
        return
    screen.say(f"{paths.folder}: {len(listing.files):,} files as of {listing.made_at}")
    screen.say_next(f"leadscore doctor {file}", f"leadscore night {file}", state=state)
