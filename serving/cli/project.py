"""The verbs about a project file and its data: demo, init, check."""

from __future__ import annotations

import typer


def add_to(app: typer.Typer) -> None:
    """Hang the verbs on the console command, in the order of the help."""
    app.command()(demo)
    app.command()(init)
    app.command()(check)
