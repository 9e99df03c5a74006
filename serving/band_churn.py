"""Two models on today's open leads -> who changes band between them, and why, in points.

Shown where a retrained model becomes, or does not become, champion: churn is no reason to refuse a
better model, and sales should know of it before the next scores do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from data.labels import open_snapshots
from data.reading.read_tables import CrmData
from features.build import build
from models.explain.points import points_per_log_odds, typical_exact
from models.explain.reason_rules import ReasonRules
from models.predictor import Floats, LeadScorer
from models.scorecard import bands_with_hysteresis
from serving.loaded_model import LoadedModel
from serving.session import Session

SHOWN: Final = 10
CAUSES: Final = 3
TYPICAL: Final = "typical lead"


@dataclass(frozen=True, slots=True)
class BandMove:
    """One lead that changes band; `held` where hysteresis keeps the old band at the next scoring.

    `why` names the factors whose points differ most between the two models.
    """

    lead_id: str
    old_score: int
    new_score: int
    old_band: str
    new_band: str
    held: bool
    why: tuple[tuple[str, int], ...]

    @property
    def line(self) -> str:
        """Describe it in a line."""
        causes = ", ".join(f"{name} {points:+d}" for name, points in self.why)
        held = " (stays where it is for now: within the hysteresis)" if self.held else ""
        return (
            f"{self.lead_id}: {self.old_band} {self.old_score} -> {self.new_band} "
            f"{self.new_score}{held}: {causes}"
        )


@dataclass(frozen=True, slots=True)
class BandChurn:
    """The open leads that two models put into different bands, largest changes first."""

    leads: int
    moves: tuple[BandMove, ...]

    def lines(self, most: int = SHOWN) -> list[str]:
        """Say how many change, which way, and for the largest changes why."""
        if not self.moves:
            return [f"no open lead of {self.leads:,} changes band"]
        ways = Counter(f"{move.old_band} to {move.new_band}" for move in self.moves)
        held = sum(move.held for move in self.moves)
        listed = ", ".join(f"{way} {n:,}" for way, n in sorted(ways.items()))
        head = f"{len(self.moves):,} of {self.leads:,} open leads change band ({listed})"
        head += f"; hysteresis keeps {held:,} where they are at the next scoring" if held else ""
        rest = len(self.moves) - most
        shown = [move.line for move in self.moves[:most]]
        return [head, *shown, *([f"and {rest:,} more"] if rest > 0 else [])]

    def to_dict(self) -> dict[str, Any]:
        """Write it for a machine."""
        return {"open_leads": self.leads, "moves": [asdict(move) for move in self.moves]}


def compare_bands(
    session: Session,
    reading: CrmData,
    before: LoadedModel,
    after: LoadedModel,
    *,
    shown: Mapping[str, str] | None,
) -> BandChurn:
    """Score the leads that are open at the end of observation with both models.

    `shown` are the bands of the last scoring, lead by lead: from them hysteresis starts.
    """
    tables = reading.tables
    snapshots = open_snapshots(tables, reading.outcomes, tables.observed_until)
    if not len(snapshots):
        return BandChurn(0, ())
    frames = [
        build(tables, snapshots, model.catalogue, threads=session.threads).to_pandas()
        for model in (before, after)
    ]
    old, new = before.scorer.score(frames[0]), after.scorer.score(frames[1])
    ids = tables.lead_ids[snapshots.lead].astype(str)
    last = None if shown is None else [shown.get(lead) for lead in ids]
    routed = bands_with_hysteresis(
        after.scorer.card,
        new.score.astype(np.float64),
        last,
        hysteresis=session.project.score.hysteresis,
    )
    moved = np.flatnonzero(old.band != new.band)
    moved = moved[np.argsort(-np.abs(new.score_exact - old.score_exact)[moved], kind="stable")]
    points = _points_that_differ(
        [(m.scorer, f.iloc[moved]) for m, f in zip((before, after), frames, strict=True)]
    )
    moves = [
        BandMove(
            str(ids[row]),
            int(old.score[row]),
            int(new.score[row]),
            str(old.band[row]),
            str(new.band[row]),
            bool(routed[row] == old.band[row]),
            _largest({name: float(values[i]) for name, values in points.items()}),
        )
        for i, row in enumerate(moved.tolist())
    ]
    return BandChurn(len(ids), tuple(moves))


def _points_that_differ(models: list[tuple[LeadScorer, Any]]) -> dict[str, Floats]:
    """Subtract the points of each factor under the first model from those under the second.

    What is never shown as a reason is not named here either.
    """
    differ: dict[str, Floats] = {}
    for sign, (scorer, frame) in zip((-1.0, 1.0), models, strict=True):
        parts = scorer.contributions(frame, by="factor")
        per_log_odds = points_per_log_odds(scorer, parts.base, parts.margin)
        rules = ReasonRules.of(scorer)
        hidden = {feature.factor for feature in scorer.features if rules.hides(feature)}
        level = np.full(len(frame), typical_exact(scorer, parts.base))
        named = {TYPICAL: level} | {
            name: parts.values[:, i] * per_log_odds
            for i, name in enumerate(parts.names)
            if name not in hidden
        }
        for name, values in named.items():
            differ[name] = differ.get(name, np.zeros(len(frame))) + sign * values
    return differ


def _largest(points: Mapping[str, float]) -> tuple[tuple[str, int], ...]:
    """Keep the causes of a point or more, the largest first."""
    ordered = sorted(points.items(), key=lambda item: -abs(item[1]))[:CAUSES]
    return tuple((name.replace("_", " "), round(value)) for name, value in ordered if round(value))
