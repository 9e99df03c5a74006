"""The interface between leadscore and every CRM: updates, answers, errors.

A CRM gets the values of FIELDS on its leads and nothing else; in Tryton also one note a lead, which
says them in words (crm/tryton/writer.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, NamedTuple, Protocol

Value = str | int | float | None
FIELDS: Final = (
    "score",
    "band",
    "probability",
    "percentile",
    "trend",
    "reasons",
    "model_version",
    "as_of",
    "scored_at",
    "run_id",
)
"""Our fields of a lead in a CRM. Here `as_of` and `scored_at` are int64 microseconds UTC."""
DISPOSITION: Final = "disposition"
"""One more field, written only where the project file names it: what a rep did with the lead, done,
snoozed or disqualified; empty where no answer holds."""


@dataclass(frozen=True, slots=True)
class Update:
    """Absolute values for one lead, and the version of the lead that was read before."""

    lead: str
    values: Mapping[str, Value]  # every name of FIELDS, and DISPOSITION where it is mapped
    version: str | None = None  # None: the CRM keeps none, or has no such lead yet


@dataclass(frozen=True, slots=True)
class Remote:
    """One lead as the CRM holds it now: our fields, its version, and what forbids a write."""

    values: Mapping[str, Value]
    version: str | None = None
    override: bool = False  # a person set the override field
    closed: bool = False  # converted or disqualified: nothing is written any more
    id: str | None = None  # another id than the one asked for: the lead was merged


class WriteAnswer(NamedTuple):
    """The CRM's answer to one update; a tuple, since a run may bring a million of them.

    `conflict` means that the lead changed between read and write: read and decide again.
    `echo` holds our fields as the CRM keeps them, where the answer says so.
    """

    lead: str
    status: Literal["written", "rejected", "conflict", "gone"]
    version: str | None = None
    error: str = ""
    echo: Mapping[str, Value] | None = None


class CrmError(Exception):
    """Base of the ways in which a request to a CRM fails; callers of write-back never see it."""

    applied: ClassVar[bool] = False


class Busy(CrmError):  # noqa: N818  # says what the CRM is
    """Try again later: 429, 503, a row lock, no connection. Nothing was applied."""

    def __init__(self, cause: str, *, retry_after: float | None = None) -> None:
        super().__init__(cause)
        self.retry_after = retry_after


class Unsure(CrmError):  # noqa: N818
    """No answer that can be trusted: time-out, reset, broken JSON. It may have been applied."""

    applied = True


class Refused(CrmError):  # noqa: N818
    """The whole batch was rejected, nothing applied: one row is invalid, or it is too big."""


class Denied(CrmError):  # noqa: N818
    """Credentials or rights are wrong: trying again does not help."""


class Crm(Protocol):
    """What write-back needs of a CRM; what a pull reads is in `serving.crm.crm_rows`."""

    name: str
    batch_limit: int
    conditional: bool  # a write can be bound to the version that was read
    metered: bool  # the CRM counts requests: one rate budget for all of them
    inserts: bool  # a missing lead is created; else it counts as deleted

    def read_scores(self, leads: Sequence[str]) -> dict[str, Remote]:
        """Read our fields of these leads; a deleted lead is left out."""
        ...

    def upsert(self, batch: Sequence[Update]) -> Iterable[WriteAnswer]:
        """Write absolute values; answer per lead, or raise a `CrmError` for the whole batch."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...
