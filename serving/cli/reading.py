"""The verb that brings a CRM's data in: pull."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from serving.cli import screen
from serving.cli.options import Json, ProjectFile


def add_to(app: typer.Typer) -> None:
    """Add the verb to the console command."""
    app.command()(pull)


def pull(
    file: ProjectFile,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder; default: where the project's leads.parquet is."),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", help="As the CRM was at this past moment, into a new folder."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Read from the CRM what is new: leads, engagement, stages and field history, as Parquet.

    Example: leadscore pull acme.toml --out data/
    """
    from data.reading.values import moment
    from serving.cli.clock import now
    from serving.crm.pull.pull_project import folder_of, load_for_pull, pull_project

    at = now()  # before anything is read: what is recorded from now on belongs to the next pull
    project = load_for_pull(file)
    folder = folder_of(project, out)
    past = None if as_of is None else moment(as_of, project, "--as-of")
    with screen.stages((), quiet=as_json) as stage:
        pulled = pull_project(project, folder, now=at, as_of=past, on_stage=stage)
    if as_json:
        counts: dict[str, object] = {kind: each._asdict() for kind, each in pulled.counts.items()}
        files = [str(path) for path in pulled.paths.values()]
        gaps, back = list(pulled.gaps), list(pulled.back)
        screen.say_json({**counts, "files": files, "gaps": gaps, "back": back})
        return
    for kind, count in pulled.counts.items():
        where = f"  {pulled.paths[kind]}" if kind in pulled.paths else ""
        screen.say(f"{kind.replace('_', ' ')}: {count.new:,} new, {count.total:,} in all{where}")
    for gap in pulled.gaps:
        screen.say(f"not read: {gap}")
    if pulled.back:
        screen.say(
            f"back, though forgotten here: {', '.join(pulled.back)}: the CRM still has them; "
            "erase them there, then forget them again"
        )
