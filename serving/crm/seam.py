"""The seam between leadscore and every CRM: what is sent, what is answered, what may go wrong."""

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
"""What a lead in a CRM gets. `as_of` and `scored_at` are int64 microseconds UTC on this side."""


@dataclass(frozen=True, slots=True)
class Update:
    """Absolute values for one lead, and the version of the lead that they were decided on."""

    lead: str
    values: Mapping[str, Value]  # every name of FIELDS
    version: str | None = None  # None: the CRM has none, or the lead is not there yet


@dataclass(frozen=True, slots=True)
class Remote:
    """One lead as the CRM holds it now: our fields, its version, what forbids a write."""

    values: Mapping[str, Value]
    version: str | None = None
    override: bool = False  # a person set the override field
    closed: bool = False  # converted or disqualified: nothing is written any more
    id: str | None = None  # where the lead goes by another id now (merged)


class Answer(NamedTuple):
    """What became of one update; a tuple, since a night may bring a million of them.

    `conflict` means that the lead moved between read and write: read again and decide again.
    `echo` holds our fields as the CRM keeps them, where the answer says so.
    """

    lead: str
    status: Literal["written", "rejected", "conflict", "gone"]
    version: str | None = None
    error: str = ""
    echo: Mapping[str, Value] | None = None


class CrmError(Exception):
    """Base of what a CRM may do to a request; never leaves serving.writeback as it is."""

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
    """The whole batch was rejected, nothing applied: one row is poisoned, or it is too big."""


class Denied(CrmError):  # noqa: N818
    """Credentials or rights are wrong: trying again does not help."""


class Crm(Protocol):
    """What write-back needs of a CRM; readers of leads and events are a seam of their own."""

    name: str
    batch_limit: int
    conditional: bool  # a write can be bound to the version that was read
    metered: bool  # the CRM counts requests: one rate budget for all of them
    inserts: bool  # a lead that is not there is made; else it counts as deleted

    def read_scores(self, leads: Sequence[str]) -> dict[str, Remote]:
        """Read our fields of these leads; a deleted lead is left out."""
        ...

    def upsert(self, batch: Sequence[Update]) -> Iterable[Answer]:
        """Write absolute values; answer per lead, or raise a `CrmError` for the whole batch."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
