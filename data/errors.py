"""Every error that leadscore raises on purpose, and the exit code that each one means.

The commands train, retrain, check and monitor also end with 3 by themselves (serving/cli/model.py
and project.py) where their answer, which is no error, is a refusal.

LeadScoreError
├── InputError      exit 2   input, project file or state folder is not as it
│   │                              must be: running it again changes nothing
│   └── ArgumentError             what the estimator was given; a ValueError too, for scikit-learn
├── GateError       exit 3   refused by a gate: leaks, promotion
│   └── FewOutcomesError          nothing can be learned yet; a rule may score in the meantime
└── OutsideError    exit 4   the outside failed (CRM, registry, disk): run it again when it
                                   answers
"""

from __future__ import annotations

from typing import ClassVar

from data.printable import printable
from data.private import without_contacts


class LeadScoreError(Exception):
    """Base of the tree: one line for a person, one exit code for a machine."""

    exit_code: ClassVar[int] = 1


class InputError(LeadScoreError):
    """Input, project file or state is wrong: file, row, column, cause and cure in one line.

    Also where a thing asked for is not there: running the command again changes nothing.

    In place of them `argument` names what a Python call was given.

    >>> print(InputError("is empty", file="leads.csv", cure="export it again"))
    leads.csv: is empty; export it again
    >>> print(InputError("is no number: 'x'", file="leads.csv", row=7, column="amount"))
    leads.csv, row 7, column amount: is no number: 'x'
    >>> print(InputError("is negative", argument="seed", cure="use 0 or more"))
    seed: is negative; use 0 or more
    """

    exit_code = 2

    def __init__(
        self,
        cause: str,
        *,
        file: str | None = None,
        row: int | None = None,
        column: str | None = None,
        argument: str | None = None,
        cure: str | None = None,
    ) -> None:
        self.cause, self.file, self.row, self.column, self.cure = cause, file, row, column, cure
        places = (
            argument,
            file,
            None if row is None else f"row {row}",
            None if column is None else f"column {column}",
        )
        where = ", ".join(place for place in places if place)
        text = f"{where}: {cause}" if where else cause
        super().__init__(_one_line(f"{text}; {cure}" if cure else text))


class ArgumentError(InputError, ValueError):
    """What the estimator was given is wrong; also a ValueError, which scikit-learn's tools expect.

    >>> isinstance(ArgumentError("members is 1; it is 2 or more"), ValueError)
    True
    """


class GateError(LeadScoreError):
    """A gate refused: a structural leak, a model that does not beat its baselines."""

    exit_code = 3

    def __init__(self, cause: str, *, cure: str | None = None) -> None:
        super().__init__(_one_line(f"{cause}; {cure}" if cure else cause))


class FewOutcomesError(GateError):
    """Too few outcomes are known to learn from or to test on; a rule may score in the meantime."""


class OutsideError(LeadScoreError):
    """Something outside failed: the CRM, the registry, the disk. The work can be resumed."""

    exit_code = 4

    def __init__(self, cause: str, *, cure: str | None = None) -> None:
        super().__init__(_one_line(f"{cause}; {cure}" if cure else cause))


def internal_error(error: Exception) -> str:
    """Write one line about an error that nobody foresaw, without contact data.

    >>> internal_error(KeyError("ann@x.example"))
    "internal error: KeyError: '(address)'"
    """
    text = printable(without_contacts(" ".join(str(error).split())))
    return f"internal error: {type(error).__name__}: {text[:300]}"


def _one_line(text: str) -> str:
    """Write one line of at most 600 characters, without contact data, since errors end in logs.

    >>> _one_line("is no number: 'ann@x.example'")
    "is no number: '(address)'"
    """
    folded = printable(without_contacts(" ".join(text.split())))
    return folded if len(folded) <= 600 else folded[:599] + "…"
