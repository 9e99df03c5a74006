"""What is known of a lead here and there -> send it, or why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from data.durations import DAY, SECOND
from serving.crm.seam import Remote, Value
from serving.writeback.ledger import Known, Last
from serving.writeback.payload import Headline, Scored, content_hash

Verdict = Literal["send", "unchanged", "stale"]
Action = Literal["send", "already", "override", "stale", "closed", "gone"]
_EXACT: Final = ("score", "band")
_LOOSE: Final = ("probability", "percentile", "trend", "reasons", "model_version", "run_id")


@dataclass(frozen=True, slots=True)
class SendRules:
    """When a changed score is worth a write: points, age in days."""

    min_points: float = 1.0
    max_age_days: int = 30


def worth_sending(row: Headline, last: Last | None, rules: SendRules, now: int) -> Verdict:
    """Compare with the last acknowledged value: hysteresis keeps nightly noise out of the CRM."""
    if last is None:
        return "send"
    if last.as_of > row.as_of:
        return "stale"
    if now - last.written_at > rules.max_age_days * DAY:
        return "send"
    if last.hash == row.hash:
        return "unchanged"
    if last.band != row.band or abs(row.score - last.score) >= rules.min_points:
        return "send"
    return "unchanged"


def decide(
    row: Scored,
    remote: Remote | None,
    known: Known | None,
    doubts: Sequence[Scored],
    *,
    inserts: bool,
    compare: bool = False,
) -> Action:
    """Look at the lead in the CRM before writing: a person's word counts more than ours.

    With `compare`, a lead whose reader would notice no difference is left alone even where its
    dates are old, so that no automation of the CRM fires for nothing.
    """
    if remote is None:
        return "send" if inserts and known is None else "gone"
    if remote.id is not None and remote.id != row.lead:
        return "gone"  # merged: the lead that is left has a score of its own
    if remote.closed:
        return "closed"
    if remote.override or _edited(remote, known, doubts, row):
        return "override"
    there = remote.values.get("as_of")
    if isinstance(there, int) and there - row.as_of >= SECOND:  # CRMs keep whole seconds
        return "stale"
    same = same_content(remote.values, row) if compare else holds(remote.values, row.values)
    return "already" if same else "send"


def holds(there: Mapping[str, Value], sent: Mapping[str, Value]) -> bool:
    """Tell whether the CRM holds this payload, allowing for text and digits that it trims."""
    return (
        all(there.get(name) == sent.get(name) for name in _EXACT)
        and _same_time(there.get("as_of"), sent.get("as_of"))
        and all(_like(there.get(name), sent.get(name)) for name in _LOOSE if name in there)
    )


def dropped_field(there: Mapping[str, Value], sent: Mapping[str, Value]) -> str | None:
    """Name a field that was sent and reads back empty: the CRM does not know it."""
    for name, value in sent.items():
        if value not in (None, "") and name in there and there[name] is None:
            return name
    return None


def same_content(there: Mapping[str, Value], row: Scored) -> bool:
    """Tell whether the CRM's reader would notice no difference; dates may differ.

    What the CRM has no field for cannot differ.
    """
    names = ("score", "band", "reasons", "model_version")
    return content_hash(*(there.get(name, row.values.get(name)) for name in names)) == row.hash


def _edited(remote: Remote, known: Known | None, doubts: Sequence[Scored], row: Scored) -> bool:
    """Tell whether a person changed what we wrote: it is neither that nor anything in doubt.

    A person changes the score and leaves its date alone, or empties both. Another date of knowledge
    means that a job wrote it of which this ledger, lost or restored, knows nothing.
    """
    if known is None or remote.values == known.values:
        return False
    if any(holds(remote.values, each.values) for each in (*doubts, row)):
        return False
    there = remote.values.get("as_of")
    return not isinstance(there, int) or _same_time(there, known.as_of)


def _same_time(there: Value, sent: Value) -> bool:
    if isinstance(there, int) and isinstance(sent, int):
        return abs(there - sent) < SECOND
    return there == sent


def _like(there: Value, sent: Value) -> bool:
    if isinstance(there, int | float) and isinstance(sent, int | float):
        return abs(there - sent) <= 0.005 * max(1.0, abs(sent))
    if isinstance(there, str) and isinstance(sent, str):
        head = there.rstrip("… ")
        return there == sent or (len(head) > 0 and sent.startswith(head))
    return (there or None) == (sent or None)
