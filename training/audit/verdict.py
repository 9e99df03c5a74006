"""A verdict per column and detector, and the report that collects them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Final, Literal

from data.errors import GateError
from data.schema_steps import Waiver

Severity = Literal["structural", "quarantine", "review", "note"]
SEVERITIES: Final[tuple[Severity, ...]] = ("structural", "quarantine", "review", "note")
WHOLE: Final = "*"
"""The column of a verdict that concerns the whole data set or model."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one detector (D1 … D10, S1 … S9) found in one column, why, and what to do.

    `figure` is the number behind it (an AUC, a rate, a count). `waived_by` names who signed the
    waiver in the project file.
    """

    column: str
    detector: str
    severity: Severity
    figure: float
    reason: str
    cure: str
    waived_by: str | None = None


@dataclass(frozen=True, slots=True)
class AuditReport:
    """All verdicts, gravest first; `checked` names each detector that ran and what it examined.

    `features` maps a column, as the project file names it, to the feature columns made of it.
    """

    verdicts: tuple[Verdict, ...]
    checked: dict[str, str]
    figures: dict[str, float]
    features: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def structural(self) -> tuple[Verdict, ...]:
        """Verdicts that stop training; no waiver lifts them."""
        return tuple(v for v in self.verdicts if v.severity == "structural")

    @property
    def quarantined(self) -> frozenset[str]:
        """Feature columns that no model may use until somebody signs a waiver for them."""
        return frozenset(
            feature
            for v in self.verdicts
            if v.severity == "quarantine" and v.waived_by is None and v.column != WHOLE
            for feature in self.features.get(v.column, (v.column,))
        )

    @property
    def refusals(self) -> tuple[Verdict, ...]:
        """Unwaived verdicts on the whole model: nothing may be registered."""
        return tuple(
            v
            for v in self.verdicts
            if v.severity == "quarantine" and v.waived_by is None and v.column == WHOLE
        )

    @property
    def reviews(self) -> tuple[Verdict, ...]:
        """Verdicts that ask a person to look."""
        return tuple(v for v in self.verdicts if v.severity == "review")

    def stops(self) -> tuple[GateError, ...]:
        """Say why nothing may be trained or registered: a leak by structure, or of the whole."""
        errors = []
        for found in (self.structural, self.refusals):
            if found:
                first, more = found[0], len(found) - 1
                tail = f" (and {more} more)" if more else ""
                errors.append(
                    GateError(
                        f"leak found by {first.detector} in {name_of(first)}: {first.reason}{tail}",
                        cure=first.cure,
                    )
                )
        return tuple(errors)

    def refuse_structural(self) -> None:
        """Raise GateError with the first structural verdict; return where there is none."""
        if self.structural:
            raise self.stops()[0]

    def to_json(self) -> str:
        """Write the report as JSON text."""
        body = {
            "verdicts": [asdict(v) for v in self.verdicts],
            "checked": self.checked,
            "figures": self.figures,
        }
        return json.dumps(body, indent=1, ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> AuditReport:
        """Read what `to_json` wrote; which features came of which column is not in it."""
        body = json.loads(text)
        verdicts = tuple(Verdict(**each) for each in body["verdicts"])
        return cls(verdicts, body["checked"], body["figures"])


def name_of(verdict: Verdict) -> str:
    """Name the column in words."""
    return "the data as a whole" if verdict.column == WHOLE else f"column {verdict.column}"


def apply_waivers(verdicts: Iterable[Verdict], waivers: Iterable[Waiver]) -> tuple[Verdict, ...]:
    """Mark waived verdicts (never structural ones) and sort, gravest first."""
    signed = {(w.column, w.detector): w for w in waivers}
    marked = []
    for verdict in verdicts:
        waiver = signed.get((verdict.column, verdict.detector))
        if waiver is not None and verdict.severity != "structural":
            verdict = replace(verdict, waived_by=f"{waiver.owner}, {waiver.date}: {waiver.reason}")
        marked.append(verdict)
    rank = {severity: place for place, severity in enumerate(SEVERITIES)}
    return tuple(sorted(marked, key=lambda v: (rank[v.severity], v.detector, v.column, -v.figure)))
