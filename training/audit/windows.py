"""D6 to D9: are labels mature, windows equally long, train and test apart, fits on train alone?"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.clock import DAY, NEVER, show
from data.delay import detect_truncation
from data.labels import window_end
from data.schema import Project
from data.splits import Cut
from data.tables import LabelledSnapshots, Outcomes, Snapshots, Tables
from training.audit.verdict import WHOLE, Verdict

_USE_AS_IS: Final = "use data.labels and data.splits as they are"


def maturity(
    labelled: LabelledSnapshots, tables: Tables, outcomes: Outcomes, project: Project
) -> Iterator[Verdict]:
    """D7: recompute every label; immature rows, other windows and closed leads are structural."""
    if tables.created_at is None:
        return
    snapshots = labelled.snapshots
    closes = window_end(snapshots, tables, project)
    converted = outcomes.converted_at[snapshots.lead]
    immature = closes > outcomes.observed_until
    if immature.any():
        yield _label_verdict(
            immature.sum(),
            "rows whose horizon has not passed are counted as if it had",
            "leave immature snapshots out, even those already converted",
        )
    if (labelled.closes_at != closes).any():
        yield _label_verdict(
            (labelled.closes_at != closes).sum(),
            "label windows are not one horizon long: leads do not get the same time to convert",
            "give every snapshot the same horizon",
        )
    y = (converted >= snapshots.as_of) & (converted < closes)
    wrong = (y != labelled.y.astype(bool)) & ~immature
    if wrong.any():
        yield _label_verdict(
            wrong.sum(), "labels are not conversion within [as_of, as_of + horizon)", _USE_AS_IS
        )
    ended = np.minimum(converted, outcomes.disqualified_at[snapshots.lead]) < snapshots.as_of
    if ended.any():
        yield _label_verdict(
            ended.sum(),
            "snapshots lie after conversion or disqualification",
            "stop the snapshots of a lead when it converts or is disqualified",
        )
    yield from _after_conversion(tables, outcomes, project)
    yield from _end_of_observation(tables, outcomes, project)
    yield from _left_truncation(tables, outcomes)
    yield from _survivors(tables, outcomes, project)


def _label_verdict(count: np.integer, reason: str, cure: str) -> Verdict:
    return Verdict(WHOLE, "D7", "structural", float(count), f"{int(count)} {reason}", cure)


def _after_conversion(tables: Tables, outcomes: Outcomes, project: Project) -> Iterator[Verdict]:
    """D7: episodes that open after their lead converted; what a customer does is outcome."""
    if tables.episodes is None or tables.created_at is None or project.conversion.repeat:
        return
    lead = tables.episodes.lead
    first = np.full(int(lead.max(initial=-1)) + 1, NEVER)
    np.minimum.at(first, lead, outcomes.converted_at)
    late = tables.created_at > first[lead]
    if late.any():
        yield _label_verdict(
            late.sum(),
            "episodes open after their lead converted: what customers do is no sign of a lead",
            "leave them out, or declare repeat = true in [conversion]",
        )


def _end_of_observation(tables: Tables, outcomes: Outcomes, project: Project) -> Iterator[Verdict]:
    """Find an observed_until that lies beyond the extract: its last leads are false negatives."""
    assert tables.created_at is not None
    horizon = project.conversion.horizon or 0
    until = outcomes.observed_until
    ends = (outcomes.converted_at, outcomes.disqualified_at)
    for what, at in (
        ("record", np.concatenate([tables.created_at, tables.events.at, *ends])),
        ("conversion", outcomes.converted_at),
    ):
        observed = np.sort(at[at < until])
        if len(observed) < 100:
            continue
        silence = until - int(observed[-1])
        half = observed[len(observed) // 2 :]
        usual = max(float(np.diff(half).max(initial=0)), float(np.diff(half).mean()) * 12)
        if silence > max(usual * 2, 0.05 * horizon, 2 * DAY):
            yield Verdict(
                WHOLE,
                "D7",
                "structural",
                silence / DAY,
                f"the last {what} lies {silence / DAY:.0f} days before observed_until: what "
                "happened since was not seen, so the newest negatives are not negative",
                f'set observed_until = "{show(int(observed[-1]) + 1)}"',
            )
            return


def _left_truncation(tables: Tables, outcomes: Outcomes) -> Iterator[Verdict]:
    """Find leads older than the recording of conversions: they are false negatives."""
    assert tables.created_at is not None
    lost = detect_truncation(tables.created_at, outcomes)
    if lost is None or outcomes.recorded_from is not None:
        return
    yield Verdict(
        WHOLE,
        "D7",
        "structural",
        lost.expected,
        f"{lost.n_older} leads are older than the first conversion, {show(lost.first_at)[:10]}, "
        f"and about {lost.expected:.0f} conversions were to be expected before it: they were not "
        "recorded yet",
        f'set conversion.recorded_from = "{show(lost.recorded_from)[:10]}"',
    )


def _survivors(tables: Tables, outcomes: Outcomes, project: Project) -> Iterator[Verdict]:
    """Find an export from which old leads that did not convert seem to be missing."""
    assert tables.created_at is not None
    ends = tables.created_at + (project.conversion.horizon or 0)
    mature = np.flatnonzero(ends <= outcomes.observed_until)
    mature = mature[np.argsort(tables.created_at[mature], kind="stable")]
    if len(mature) < 300:
        return
    created = tables.created_at[mature]
    span = (created[-1] - created[0]) / 3
    won = outcomes.converted_at[mature] < ends[mature]
    old, new = created < created[0] + span, created > created[-1] - span
    if min(old.sum(), new.sum()) < 30:
        return
    early, late = float(won[old].mean()), float(won[new].mean())
    pooled = float(won[old | new].mean())
    z = (early - late) / np.sqrt(max(pooled * (1 - pooled), 1e-9) * (1 / old.sum() + 1 / new.sum()))
    if early > 2.5 * late and z > 6 and old.sum() < 0.7 * new.sum():
        yield Verdict(
            WHOLE,
            "D7",
            "quarantine",
            round(early / max(late, 1e-9), 2),
            f"the oldest third of the leads converts at {early:.0%}, the newest at {late:.0%}, and "
            "the oldest are fewer: leads that came to nothing seem to be missing from the export",
            "export deleted and archived leads too, or start later",
        )


def split(labelled: LabelledSnapshots, tables: Tables, cut: Cut) -> Iterator[Verdict]:
    """D6: label windows, leads and accounts that cross the split between train and test."""
    train, test = labelled.take(cut.train), labelled.take(cut.test)
    if not len(train) or not len(test):
        return
    both = np.isin(tables.lead[test.snapshots.lead], tables.lead[train.snapshots.lead])
    if both.any():
        yield _split_verdict(both.mean(), "test rows belong to leads that are in train")
    if tables.created_at is not None:
        late = train.closes_at > test.snapshots.as_of.min()
        if late.any():
            yield _split_verdict(late.mean(), "train rows have label windows open in the test")
    account = tables.account
    in_train, in_test = account[train.snapshots.lead], account[test.snapshots.lead]
    shared = float((np.isin(in_test, in_train[in_train >= 0]) & (in_test >= 0)).mean())
    if shared:
        yield Verdict(
            WHOLE,
            "D6",
            "note",
            round(shared, 4),
            f"{shared:.0%} of the test rows belong to accounts that are also in train",
            "read the time + account-grouped figures beside the time-only ones",
        )


def _split_verdict(share: np.floating, reason: str) -> Verdict:
    return Verdict(
        WHOLE, "D6", "structural", float(share), f"{float(share):.1%} of the {reason}", _USE_AS_IS
    )


def duplicates(
    labelled: LabelledSnapshots, tables: Tables, cut: Cut, frame: pd.DataFrame
) -> Iterator[Verdict]:
    """D9: the same person or the same history under two lead ids, one in train, one in test."""
    lead = labelled.snapshots.lead
    train, test = np.unique(lead[cut.train]), np.unique(lead[cut.test])
    if not len(train) or not len(test):
        return
    for what, keys in _keys(tables, labelled, frame):
        train_keys = keys[train]
        known = pd.Index(train_keys[train_keys != ""]).unique()
        twice = pd.Index(keys[test]).isin(known) & (keys[test] != "")
        share = float(twice.mean())
        if not twice.any():
            continue
        structural = share >= 0.005 and what != "the same values in every column"
        yield Verdict(
            WHOLE,
            "D9",
            "structural" if structural else "review",
            round(share, 5),
            f"{int(twice.sum())} of {len(test)} test leads have {what} as a lead in train",
            "merge the duplicates, or give them one account so that they stay on one side",
        )


def _keys(
    tables: Tables, labelled: LabelledSnapshots, frame: pd.DataFrame
) -> Iterator[tuple[str, NDArray[np.object_]]]:
    """Yield keys per lead ("" for none): e-mail, history of events; in static mode all columns."""
    if "email" in tables.display.columns:
        emails = tables.display["email"].to_numpy(object)
        yield "the same e-mail address", np.array([plain_email(e) for e in emails], object)
    events = tables.events
    if len(events):
        yield "the same history of events", _histories(tables)
    if tables.created_at is None and len(frame.columns):
        hashes = pd.util.hash_pandas_object(frame, index=False).to_numpy()
        keys = np.full(len(tables), "", object)
        keys[labelled.snapshots.lead] = hashes.astype(str)
        yield "the same values in every column", keys


def _histories(tables: Tables) -> NDArray[np.object_]:
    """Hash each lead's (moment, type) events; "" where there are fewer than three."""
    events = tables.events
    mixed = events.at.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= (events.type.astype(np.uint64) + np.uint64(7)) * np.uint64(0xC2B2AE3D27D4EB4F)
    mixed ^= mixed >> np.uint64(29)
    sums = np.concatenate([[0], np.cumsum(mixed * np.uint64(0x165667B19E3779F9), dtype=np.uint64)])
    totals = sums[events.offsets[1:]] - sums[events.offsets[:-1]]
    few = np.diff(events.offsets) < 3
    return np.where(few, "", totals.astype(str)).astype(object)


def plain_email(email: object) -> str:
    """Lower the case and drop a +tag; "" for what is no address.

    >>> plain_email("Ada+news@Example.org")
    'ada@example.org'
    """
    match = re.fullmatch(r"\s*([^@\s+]+)(?:\+[^@\s]*)?@([^@\s]+)\s*", str(email or ""))
    return f"{match[1]}@{match[2]}".lower() if match else ""


def row_hash(tables: Tables, snapshots: Snapshots) -> str:
    """Hash lead and as_of of rows, in any order, to compare the rows that fitted parts saw."""
    rows = sorted(
        f"{tables.lead_ids[lead]}\0{as_of}"
        for lead, as_of in zip(snapshots.lead, snapshots.as_of, strict=True)
    )
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def fit_scope(scopes: dict[str, str], expected: str) -> Iterator[Verdict]:
    """D8: every fitted transformer must have seen exactly the training rows."""
    for name, seen in scopes.items():
        if seen != expected:
            yield Verdict(
                name,
                "D8",
                "structural",
                1.0,
                "was fitted on other rows than the training rows",
                "fit encoders, scalers and imputers inside train only",
            )
