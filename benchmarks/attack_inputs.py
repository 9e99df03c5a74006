"""The sixty bad inputs of the design through the real commands and the service, by their result.

A refusal counts where the exit code is right, the message is one line that says what it must (file,
row, column, cause, cure as far as there are any), and nothing in the state folder has changed.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks import (
    attack_inputs_pages,
    attack_inputs_projects,
    attack_inputs_service,
    attack_inputs_tables,
)
from benchmarks.attack import Verdict
from benchmarks.attack_inputs_desk import Desk

ROWS = dict(
    sorted(
        (
            attack_inputs_pages.ROWS
            | attack_inputs_projects.ROWS
            | attack_inputs_service.ROWS
            | attack_inputs_tables.ROWS
        ).items()
    )
)


def measure(place: Path, *, full: bool) -> list[Verdict]:
    """Try all sixty; --full also shows what was said."""
    desk = Desk(place)
    wrong: dict[int, list[str]] = {}
    for row, tried in ROWS.items():
        desk.said.clear()
        try:
            tried(desk)
        except Exception as error:
            desk.complain(f"{type(error).__name__}: {error}")
        wrong[row] = desk.complaints()
        for each in wrong[row]:
            print(f"  {row}: {each}", flush=True)
        if full:
            for line in desk.said:
                print(f"  {row}: {line}", flush=True)
    good = sum(not each for each in wrong.values())
    met = good == len(ROWS) == 60
    return [(met, "bad inputs with the right result", f"{good} of {len(ROWS)}", "60 of 60")]
