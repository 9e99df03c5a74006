"""`leadscore experiment`: power before, assignment during, analysis after."""

from __future__ import annotations

import typer

app = typer.Typer(help="A/B tests of working by score: power, assign, analyse.")
