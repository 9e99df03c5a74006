"""A score, what the CRM acknowledged and what it holds now -> send it, or why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from data.durations import DAY, SECOND
from serving.crm.interface import DISPOSITION, Remote, Value
from serving.crm.score_columns import TIMES
from serving.writeback.ledger import AcknowledgedValues, LastAcknowledged
from serving.writeback.payload import (
    CLEARED,
    LeadPayload,
    ScoreSummary,
    content_hash,
    disposition_in,
)

SendVerdict = Literal["send", "unchanged", "stale"]
Action = Literal["send", "already", "override", "stale", "closed", "gone"]
_EXACT: Final = ("score", "band")
_OF_SCORE: Final = ("score", "band", "probability", "percentile", "trend", "reasons")
_LOOSE: Final = (
    *("probability", "percentile", "trend", "reasons", "model_version", "run_id"),
    DISPOSITION,
)


@dataclass(frozen=True, slots=True)
class SendRules:
    """When a changed score is worth a write: points, age in days."""

    min_points: float = 1.0
    max_age_days: int = 30


def worth_sending(
    row: ScoreSummary, last: LastAcknowledged | None, rules: SendRules, now: int
) -> SendVerdict:
    """Compare with the last acknowledged value: changes below `min_points` are noise and wait."""
    if last is None:
        return "send"
    if (last.episode, last.as_of) > (row.episode, row.as_of):
        return "stale"
    if last.episode < row.episode:
        return "send"  # the lead came back: it starts afresh
    if CLEARED in (row.hash, last.hash):  # an arm that works without scores, or did
        return "unchanged" if row.hash == last.hash else "send"
    if now - last.written_at > rules.max_age_days * DAY:
        return "send"
    if last.hash == row.hash:
        return "unchanged"
    moved = abs((row.score or 0) - last.score) >= rules.min_points
    answered = disposition_in(last.hash) != disposition_in(row.hash)
    if last.band != (row.band or "") or moved or answered:
        return "send"
    return "unchanged"


def decide(
    row: LeadPayload,
    remote: Remote | None,
    acknowledged: AcknowledgedValues | None,
    unconfirmed: Sequence[LeadPayload],
    *,
    inserts: bool,
    compare: bool = False,
    permanent: bool = False,
) -> Action:
    """Compare with the lead in the CRM before writing: what a person set there is kept.

    With `compare`, a lead that would look the same is not written even where its dates are old, so
    that no automation of the CRM is triggered needlessly. A `permanent` override holds in every
    episode of the lead.
    """
    if remote is None:
        return "send" if inserts and acknowledged is None and not row.clears else "gone"
    if remote.id is not None and remote.id != row.lead:
        return "gone"  # merged: the remaining lead has a score of its own
    if remote.closed:
        return "closed"
    if acknowledged is not None and row.episode < acknowledged.episode:
        return "stale"
    overridden = remote.override and (permanent or not is_old_override(acknowledged, row))
    if overridden or _edited(remote, acknowledged, unconfirmed, row):
        return "override"
    in_crm = remote.values.get("as_of")
    if isinstance(in_crm, int) and in_crm - row.as_of >= SECOND:  # CRMs keep whole seconds
        return "stale"
    by_content = compare and not row.clears
    same = same_content(remote.values, row) if by_content else holds(remote.values, row.values)
    return "already" if same else "send"


def holds(in_crm: Mapping[str, Value], sent: Mapping[str, Value]) -> bool:
    """Tell whether the CRM holds this payload, allowing for text and digits that it trims.

    A score that is held back is held where the CRM has nothing of one.
    """
    if sent.get("score") is None:
        return all(in_crm.get(name) in (None, "") for name in _OF_SCORE)
    names = (*_EXACT, "as_of", *(name for name in _LOOSE if name in in_crm))
    return all(_alike(name, in_crm.get(name), sent.get(name)) for name in names)


def is_as_sent(in_crm: Mapping[str, Value], sent: Mapping[str, Value]) -> bool:
    """Tell whether nothing was changed since, allowing for text and digits that the CRM trims.

    A field that the project file names since then, or no more, tells nothing.
    """
    return all(_alike(name, in_crm[name], sent[name]) for name in in_crm.keys() & sent.keys())


def _alike(name: str, in_crm: Value, sent: Value) -> bool:
    if name in _EXACT:
        return in_crm == sent
    return _same_time(in_crm, sent) if name in TIMES else _nearly_equal(in_crm, sent)


def dropped_field(in_crm: Mapping[str, Value], sent: Mapping[str, Value]) -> str | None:
    """Name a field that was sent and reads back empty: the CRM has no such field."""
    for name, value in sent.items():
        if value not in (None, "") and name in in_crm and in_crm[name] is None:
            return name
    return None


def same_content(in_crm: Mapping[str, Value], row: LeadPayload) -> bool:
    """Tell whether the lead would look the same in the CRM; dates may differ.

    Fields that the CRM does not have are not compared.
    """
    names = ("score", "band", "reasons", "model_version", DISPOSITION)
    return content_hash(*(in_crm.get(name, row.values.get(name)) for name in names)) == row.hash


def is_old_override(acknowledged: AcknowledgedValues | None, row: LeadPayload) -> bool:
    """Tell whether an override field that is set was set in an earlier episode of the lead."""
    return acknowledged is not None and (
        acknowledged.episode < row.episode or acknowledged.old_override
    )


def _edited(
    remote: Remote,
    acknowledged: AcknowledgedValues | None,
    unconfirmed: Sequence[LeadPayload],
    row: LeadPayload,
) -> bool:
    """Tell whether a person changed what we wrote: it differs from that and from all unconfirmed.

    A person changes the score and leaves its as_of, or empties that alone. Another as_of means that
    another run wrote it which this ledger, lost or restored, has no record of. No score at all is
    nobody's word: emptied by a person, or in a CRM that was restored, it is written again.
    """
    if acknowledged is None or acknowledged.episode < row.episode:
        return False  # what a person set in an earlier episode ended with it
    if remote.values.get("score") in (None, ""):
        return False
    if is_as_sent(remote.values, acknowledged.values):
        return False
    if any(holds(remote.values, each.values) for each in (*unconfirmed, row)):
        return False
    in_crm = remote.values.get("as_of")
    return not isinstance(in_crm, int) or _same_time(in_crm, acknowledged.as_of)


def _same_time(in_crm: Value, sent: Value) -> bool:
    if isinstance(in_crm, int) and isinstance(sent, int):
        return abs(in_crm - sent) < SECOND
    return in_crm == sent


def _nearly_equal(in_crm: Value, sent: Value) -> bool:
    if isinstance(in_crm, int | float) and isinstance(sent, int | float):
        return abs(in_crm - sent) <= 0.005 * max(1.0, abs(sent))
    if isinstance(in_crm, str) and isinstance(sent, str):
        head = in_crm.rstrip("… ")
        return in_crm == sent or (len(head) > 0 and sent.startswith(head))
    return (in_crm or None) == (sent or None)
