"""What a rep may say of a lead or its score; read by the command line, so nothing is imported."""

from __future__ import annotations

from typing import Final, Literal, get_args

GivenVerdict = Literal[
    "done",
    "snooze",
    "disqualify",
    "reopen",
    "right",
    "wrong",
    "too_high",
    "too_low",
    "wrong_stage",
    "note",
]
RepVerdict = Literal[GivenVerdict, "undo"]
VERDICTS: Final[tuple[RepVerdict, ...]] = get_args(RepVerdict)
TAKES_OFF: Final = ("done", "snooze", "disqualify")
"""What takes a lead off the list."""
