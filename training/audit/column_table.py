"""Roles, verdicts and the catalogue -> one row per column and per source of features."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from data.reading.column_roles import ColumnRole
from features.frame import Catalogue, Feature
from training.audit.verdict import AuditReport, Verdict

_WORDS: Final = {
    "structural": "stops training",
    "quarantine": "in quarantine",
    "review": "feature, please look",
}
_OUTCOMES: Final = frozenset({"conversion", "disqualification", "payment"})


@dataclass(frozen=True, slots=True)
class ColumnRow:
    """One column: what it is used as, since when known, what came of it, and what to do.

    `features` are the names of the features made of it alone; `findings` all that the audit says.
    """

    table: str
    column: str
    role: str
    since: str
    verdict: str
    to_do: str
    features: tuple[str, ...]
    findings: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """The features made of one event type, or of several columns; `verdict` where one leaks."""

    made_of: str
    features: tuple[str, ...]
    verdict: str
    findings: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class ColumnTable:
    """Every column and every feature of a project, once; `others` are verdicts on the whole."""

    columns: tuple[ColumnRow, ...]
    features: tuple[FeatureRow, ...]
    others: tuple[Verdict, ...]


def column_table(
    roles: Sequence[ColumnRole],
    report: AuditReport,
    catalogue: Catalogue,
    left_out: Mapping[str, str],
) -> ColumnTable:
    """Say of every column what became of it, gravest verdict first."""
    made = _by_source(catalogue.features)
    rows = [_row(role, report, made, left_out) for role in roles]
    of_columns = {role.attribute for role in roles}
    groups = [
        _features_row(source, names, report.verdicts)
        for source, names in made.items()
        if source not in of_columns
    ]
    told = [*(v for row in rows for v in row.findings), *(v for g in groups for v in g.findings)]
    others = tuple(v for v in report.verdicts if v not in told)
    return ColumnTable(tuple(rows), tuple(groups), others)


def _row(
    role: ColumnRole,
    report: AuditReport,
    made: Mapping[str, tuple[str, ...]],
    left_out: Mapping[str, str],
) -> ColumnRow:
    features = made.get(role.attribute, ()) if role.attribute else ()
    about = {role.name if role.attribute is None else role.attribute, *features}
    findings = tuple(v for v in report.verdicts if v.column in about)
    verdict, to_do = _verdict(role, findings, features, left_out)
    return ColumnRow(
        role.table, role.name, role.role, role.since, verdict, to_do, features, findings
    )


def _verdict(
    role: ColumnRole,
    findings: Sequence[Verdict],
    features: tuple[str, ...],
    left_out: Mapping[str, str],
) -> tuple[str, str]:
    """Say in a few words what became of a column, and what to do about it."""
    open_ones = [v for v in findings if v.waived_by is None]
    gravest = next((v for v in open_ones if v.severity != "note"), None)
    if gravest is not None and (features or gravest.severity == "structural"):
        return f"{_WORDS[gravest.severity]} ({gravest.detector}): {gravest.reason}", gravest.cure
    if role.attribute is None:
        note = next((v for v in open_ones if v.detector == "D4"), None)
        if note is not None:
            return note.reason.removeprefix("is "), note.cure
        if not _OUTCOMES.isdisjoint(role.role.split(", ")):
            return "outcome", ""
        return "features of events" if role.since else "no feature", ""
    if not features:
        return f"no feature: {left_out.get(role.attribute, 'another declaration holds')}", ""
    waived = next((v for v in findings if v.waived_by is not None), None)
    return ("feature" if waived is None else f"feature, waived by {waived.waived_by}"), ""


def _features_row(source: str, names: tuple[str, ...], verdicts: Iterable[Verdict]) -> FeatureRow:
    findings = tuple(v for v in verdicts if v.column in names)
    gravest = next((v for v in findings if v.waived_by is None and v.severity != "note"), None)
    words = (
        ""
        if gravest is None
        else f"{_WORDS[gravest.severity]} ({gravest.detector}): {gravest.column}: "
        f"{gravest.reason}; {gravest.cure}"
    )
    return FeatureRow(source, names, words, findings)


def _by_source(features: Iterable[Feature]) -> dict[str, tuple[str, ...]]:
    """Group feature names by the column or event type that they are made of, else by factor."""
    made: dict[str, tuple[str, ...]] = {}
    for feature in features:
        source = feature.params.get("column") or feature.params.get("event") or feature.factor
        made[str(source)] = (*made.get(str(source), ()), feature.name)
    return made
