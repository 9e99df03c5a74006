"""The small values that report pages are made of: intervals, reasons, answers, points on curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from serving.worklist.phrase import Phrase, Scalar

Band = str
Trend = Literal["rising", "steady", "falling", "new"]
Cause = Literal["intent", "quiet", "edited", "model"]
Lane = Literal["answer", "cold", "hot"]


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and the range that covers it; a rate is 0 to 1, a count is a count."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ShownFact:
    """How often leads with this reason converted, counted on training rows: rates 0 to 1."""

    rate: float
    typical: float
    n: int


@dataclass(frozen=True, slots=True)
class ShownReason:
    """One reason in points. `template` and `params` are those of models.explain.reasons.Reason.

    `points` is whole and signed; `changeable` marks what a rep can change; `family` is fit,
    engagement, qualification or context.
    """

    factor: str
    family: str
    template: str
    params: Mapping[str, Scalar | None]
    points: int
    changeable: bool = False
    fact: ShownFact | None = None


@dataclass(frozen=True, slots=True)
class NextStep:
    """A suggested next step, re-scored for real: an association, not a cause.

    `points` is how many points leads like this one had more after it; None where the step comes
    from the company's own rules and was not re-scored.
    """

    phrase: Phrase
    points: int | None = None


@dataclass(frozen=True, slots=True)
class CardAnswer:
    """One of need, budget, authority, timing: `value` None where it is not known.

    `known_at` is ISO 8601 UTC, None where the answer has no date.
    """

    question: Literal["need", "budget", "authority", "timing"]
    value: str | None
    known_at: str | None = None


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a rep answered back: `at` ISO UTC, `score` the one that the answer speaks of."""

    at: str
    verdict: str
    reason: str
    author: str = ""
    score: int | None = None
    earlier: bool = False  # of an episode that ended since
    number: int = 0  # of an answer given since the list was made, which may be taken back


@dataclass(frozen=True, slots=True)
class ShownStanding:
    """A rep's answer that keeps a lead off the list, or did until the lead's next act.

    Times are ISO UTC; `until` is there in a snooze alone. `event` is the lead's first act since.
    """

    kind: Literal["done", "snoozed", "disqualified"]
    since: str
    until: str | None
    by: str
    reason: str
    number: int
    may_undo_until: str
    event: str | None = None
    event_at: str | None = None


@dataclass(frozen=True, slots=True)
class ShownClaim:
    """What reps said of scores, what the model had promised there, and what happened: rates 0 to 1.

    `winner` is reps or model where the whole range says it, else open; agreed where nobody
    disagreed.
    """

    claim: Literal["too_high", "too_low", "disqualify", "right"]
    leads: int
    promised: float
    observed: Interval
    winner: Literal["reps", "model", "open", "agreed"]


@dataclass(frozen=True, slots=True)
class RepClaims:
    """Reps against the model: all, how many answers are not mature, each rep where asked for."""

    claims: tuple[ShownClaim, ...]
    waiting: int
    reps: tuple[tuple[str, tuple[ShownClaim, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Comeback:
    """A lead that came back: closed when and by which event, back since when and by which event.

    Times are ISO UTC; `times` counts the closes. An event is None where it is not known.
    """

    closed_at: str
    closed_because: str | None
    back_at: str
    back_by: str | None
    times: int


@dataclass(frozen=True, slots=True)
class CriterionMatch:
    """One criterion of the ideal customer: `met` is None where the facts are not known."""

    label: str
    met: bool | None
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """One act of or towards the lead, or several alike in a row; times are ISO UTC.

    `label` is its type, `at` the newest, `earlier` are the others, newest first.
    """

    at: str
    label: str
    direction: Literal["inbound", "outbound", "unknown"] = "unknown"
    note: str = ""
    earlier: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PastScore:
    """The score of a day by the model of today, from what was known then; `at` is ISO UTC."""

    at: str
    score: int


@dataclass(frozen=True, slots=True)
class SimilarLead:
    """A converted lead whose score had much the same reasons as this lead's.

    `score` is the one it had two weeks before, `days` how long it took from its creation; `owner`
    says who may see it.
    """

    name: str
    score: int
    days: int
    lead_id: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True)
class ShownChangeLine:
    """One line of "why did the score change": whole signed points.

    `kind` is what moved it; `reason` says which event or field where the kind alone does not, and
    `aged` what has become older. `together` marks a field that never changes: the model reads it
    together with what did.
    """

    kind: Literal["events", "time", "edits", "model", "card", "limit", "rest"]
    points: int
    reason: ShownReason | None = None
    aged: Phrase | None = None
    together: bool = False


@dataclass(frozen=True, slots=True)
class LaneEntry:
    """Why a lead stands in a lane of page "Today": it waits for an answer, goes cold, is hot.

    `since` is the ISO UTC moment from which it does.
    """

    lane: Lane
    phrase: Phrase
    since: str


@dataclass(frozen=True, slots=True)
class Colleague:
    """Another open lead of the same company; its score is None where it is held back."""

    lead_id: str
    name: str
    owner: str
    title: str | None
    score: int | None


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a curve, with a range in y where one is known."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
