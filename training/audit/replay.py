"""D1, D2 and D10: rebuild sampled rows from altered tables and compare them bit by bit.

Changing records at or after `as_of`, by either clock, must leave a row as it was; changing earlier
ones must change it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from data.asof import known_before
from data.clock import DAY, NEVER, Micros
from data.part import part_of
from data.ragged import is_known
from data.tables import Attribute, Events, Snapshots, Tables
from features.build import build
from features.frame import Catalogue, FeatureFrame
from training.audit.verdict import WHOLE, Verdict

Rows = NDArray[np.int64]
FeatureBuilder = Callable[[Tables, Snapshots, Catalogue], FeatureFrame]
MAX_ROWS: Final = 400


def replay(
    tables: Tables,
    snapshots: Snapshots,
    catalogue: Catalogue,
    *,
    seed: int,
    share: float = 0.01,
    builder: FeatureBuilder = build,
    trained: FeatureFrame | None = None,
) -> list[Verdict]:
    """Replay a share of the rows (at least 100, at most MAX_ROWS): verdicts of D1, D2, D10.

    `trained` is the frame that training uses, rows as in `snapshots`; the sampled rows, built from
    their own accounts alone, must be the same.
    """
    rng = np.random.default_rng([seed, 41])
    rows = sample_rows(tables, snapshots, max(100, int(share * len(snapshots))), rng)
    if not len(rows):
        return []
    tables, picked = cut_out(tables, snapshots.take(rows))
    cuts = cuts_of(tables, picked)
    original = builder(tables, picked, catalogue)
    verdicts = [] if trained is None else _differences("training", trained.take(rows), original)
    for name, altered in alter_future(tables, cuts, rng).items():
        again = builder(altered, picked, catalogue)
        for column, count in differing(original, again).items():
            verdicts.append(_future_verdict(column, count / len(rows), name))
    verdicts += _newest_event_shows(tables, picked, catalogue, cuts, original, builder)
    verdicts += _single_rows(tables, picked, catalogue, original, builder)
    return verdicts


def sample_rows(tables: Tables, snapshots: Snapshots, n: int, rng: np.random.Generator) -> Rows:
    """Choose rows of which no two share a lead or an account: each account gets one cut."""
    order = rng.permutation(len(snapshots))
    _, first = np.unique(tables.groups[snapshots.lead[order]], return_index=True)
    return np.sort(order[np.sort(first)[: min(n, MAX_ROWS)]])


def cut_out(tables: Tables, picked: Snapshots) -> tuple[Tables, Snapshots]:
    """Keep only the leads of the picked rows and those that share an account with them."""
    needed = np.zeros(len(tables), bool)
    needed[picked.lead] = True
    accounts = tables.account[needed]
    needed |= (tables.account >= 0) & np.isin(tables.account, accounts[accounts >= 0])
    leads = np.flatnonzero(needed)
    return part_of(tables, leads), Snapshots(np.searchsorted(leads, picked.lead), picked.as_of)


def cuts_of(tables: Tables, picked: Snapshots) -> Micros:
    """Give each lead the as_of of its account's sampled row, else NEVER: (n_leads,)."""
    cuts = np.full(len(tables), NEVER)
    cuts[picked.lead] = picked.as_of
    account = tables.account[picked.lead]
    if len(tables.account) and (account >= 0).any():
        by_account = np.full(int(tables.account.max()) + 1, NEVER)
        by_account[account[account >= 0]] = picked.as_of[account >= 0]
        has = tables.account >= 0
        cuts[has] = by_account[tables.account[has]]
    return cuts


def alter_future(tables: Tables, cuts: Micros, rng: np.random.Generator) -> dict[str, Tables]:
    """Alter the records at or after each lead's cut in three ways, and none before it."""
    not_yet_created = np.zeros(len(tables), bool)
    if tables.created_at is not None:
        not_yet_created = tables.created_at > cuts
    return {
        "deleted": known_before(tables, cuts),
        "scrambled": replace(
            tables,
            events=_scramble(tables.events, cuts, rng),
            attributes=tuple(_disturb(a, cuts, not_yet_created, rng) for a in tables.attributes),
        ),
        "appended": replace(tables, events=append_events(tables.events, cuts, (0, 1, DAY), rng)),
    }


_COLUMNS: Final = ("at", "type", "channel", "campaign", "person", "direction", "value")


def append_events(
    events: Events, cuts: Micros, offsets: tuple[int, ...], rng: np.random.Generator
) -> Events:
    """Add, for each lead with a cut, events at these offsets from it.

    Where no offset is negative, also one that happened a day before the cut and was recorded at it.
    """
    leads = np.flatnonzero(cuts != NEVER)
    if not len(leads) or not len(events):
        return events
    moments = [(cuts[leads] + offset, cuts[leads] + offset) for offset in offsets]
    if events.recorded_at is not None and min(offsets) >= 0:
        moments.append((cuts[leads] - DAY, cuts[leads]))
    who = np.concatenate([events.lead] + [leads] * len(moments))
    at = np.concatenate([events.at] + [at for at, _ in moments])
    donors = rng.integers(0, len(events), len(leads) * len(moments))
    extra = {name: getattr(events, name)[donors] for name in _COLUMNS if name != "at"}
    recorded = None
    if events.recorded_at is not None:
        recorded = np.concatenate([events.recorded_at] + [seen for _, seen in moments])
    columns = {name: np.concatenate([getattr(events, name), extra[name]]) for name in extra}
    return _sorted(events, who, columns | {"at": at}, recorded)


def _sorted(
    events: Events, who: Rows, columns: dict[str, NDArray[Any]], recorded: Micros | None
) -> Events:
    """Sort altered columns by lead and time again."""
    order = np.lexsort((columns["at"], who))
    ranked: dict[str, Any] = {name: values[order] for name, values in columns.items()}
    counts = np.bincount(who, minlength=len(events.offsets) - 1)
    return replace(
        events,
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        recorded_at=None if recorded is None else recorded[order],
        **ranked,
    )


def _scramble(events: Events, cuts: Micros, rng: np.random.Generator) -> Events:
    """Give the unknown events other types, values and later moments, at or after the cut."""
    rows = np.flatnonzero(~events.known_before(cuts))
    if not len(rows):
        return events
    columns = {name: getattr(events, name).copy() for name in _COLUMNS}
    for name in _COLUMNS:
        if name != "at":
            columns[name][rows] = rng.permutation(columns[name][rows])
    who = events.lead
    later = cuts[who[rows]] + rng.integers(0, 90 * DAY, len(rows))
    recorded = None if events.recorded_at is None else events.recorded_at.copy()
    if recorded is not None:
        late = columns["at"][rows] < cuts[who[rows]]  # happened before, recorded after
        recorded[rows] = later
        columns["at"][rows] = np.where(late, columns["at"][rows], later)
    else:
        columns["at"][rows] = later
    return _sorted(events, who, columns, recorded)


def _disturb(
    attribute: Attribute, cuts: Micros, not_yet_created: NDArray[np.bool_], rng: np.random.Generator
) -> Attribute:
    """Shuffle values that became known at or after the cut among the rows where they did."""
    values = attribute.values.copy()
    if attribute.changes is None:
        late = not_yet_created
        if attribute.known_at is not None:
            late = ~is_known(attribute.known_at, None, cuts)
        values[late] = rng.permutation(values[late])
        return replace(attribute, values=values)
    changes = attribute.changes
    who, late = changes.lead, ~changes.known_before(cuts)
    new = changes.new.copy()
    new[late] = rng.permutation(new[late])
    old = changes.old.copy()
    follows = _follows(who, late)
    old[follows] = new[np.flatnonzero(follows) - 1]
    return replace(attribute, changes=replace(changes, new=new, old=old))


def _follows(who: Rows, late: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark the changes that come after an unknown one of the same lead: (n_changes,)."""
    after = np.zeros(len(who), bool)
    after[1:] = (who[1:] == who[:-1]) & late[:-1]
    return after


def differing(one: FeatureFrame, other: FeatureFrame) -> dict[str, int]:
    """Count by column the rows that are not bit-identical (missing equals missing)."""
    counts: dict[str, int] = {}
    same = (one.numbers == other.numbers) | (np.isnan(one.numbers) & np.isnan(other.numbers))
    for feature, wrong in zip(one.catalogue.numbers, (~same).sum(axis=0), strict=True):
        if wrong:
            counts[feature.name] = int(wrong)
    for feature, values, others in zip(
        one.catalogue.categories, one.categories, other.categories, strict=True
    ):
        wrong = int((_strings(values) != _strings(others)).sum())
        if wrong:
            counts[feature.name] = wrong
    return counts


def _strings(values: object) -> NDArray[np.object_]:
    array = np.asarray(values, dtype=object)
    return np.array(["\0missing" if v is None or v != v else v for v in array], dtype=object)


def _future_verdict(column: str, share: float, how: str) -> Verdict:
    return Verdict(
        column,
        "D1" if how != "appended" else "D2",
        "structural",
        share,
        f"changes in {share:.0%} of the sampled rows when the records at or after as_of are {how}",
        "the column reads the future: drop it, or build it from records strictly before as_of",
    )


def _newest_event_shows(
    tables: Tables,
    picked: Snapshots,
    catalogue: Catalogue,
    cuts: Micros,
    original: FeatureFrame,
    builder: FeatureBuilder,
) -> list[Verdict]:
    """Check the opposite too: an event one microsecond before as_of must change every row."""
    events = tables.events
    templates = {feature.template for feature in catalogue.features}
    if not len(events) or not templates & {"count_all_ever", "days_since_last_event"}:
        return []
    own = np.full(len(tables), NEVER)
    own[picked.lead] = cuts[picked.lead]
    altered = append_events(events, own, (-1,), np.random.default_rng(0))
    again = builder(replace(tables, events=altered), picked, catalogue)
    unmoved = ~_rows_differ(original, again)
    if not unmoved.any():
        return []
    return [
        Verdict(
            WHOLE,
            "D2",
            "structural",
            float(unmoved.mean()),
            f"an event 1 µs before as_of does not show in {unmoved.mean():.0%} of the sampled rows",
            "the features lag behind as_of: compare with `at < as_of`",
        )
    ]


def _rows_differ(one: FeatureFrame, other: FeatureFrame) -> NDArray[np.bool_]:
    same = (one.numbers == other.numbers) | (np.isnan(one.numbers) & np.isnan(other.numbers))
    differ = ~same.all(axis=1)
    for values, others in zip(one.categories, other.categories, strict=True):
        differ |= _strings(values) != _strings(others)
    return np.asarray(differ)


def _single_rows(
    tables: Tables,
    picked: Snapshots,
    catalogue: Catalogue,
    original: FeatureFrame,
    builder: FeatureBuilder,
    n: int = 5,
) -> list[Verdict]:
    """Build rows one at a time: they must equal the batch to 1e-9."""
    verdicts: list[Verdict] = []
    for row in np.unique(np.linspace(0, len(picked) - 1, n).astype(np.int64)):
        only = np.array([row])
        single = builder(tables, picked.take(only), catalogue)
        verdicts += _differences("batch", original.take(only), single)
    return verdicts


def _differences(where: str, one: FeatureFrame, other: FeatureFrame) -> list[Verdict]:
    return [
        Verdict(
            column,
            "D10",
            "structural",
            count / len(one),
            f"differs between {where} and building a few leads alone in {count} of {len(one)} rows",
            "use the one builder, features.build.build, everywhere",
        )
        for column, count in differing(one, other).items()
    ]
