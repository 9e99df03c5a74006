"""An audit report -> an HTML page for data scientists, and the leakage sheet of the model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from training.audit.verdict import SEVERITIES, WHOLE, AuditReport

_HEADINGS: Final = {
    "structural": "Stops training",
    "quarantine": "Quarantined until waived",
    "review": "Please look",
    "note": "Good to know",
}
NAMES: Final = {
    "D1": "replay with the future deleted or scrambled",
    "D2": "events at as_of, one microsecond around it, and clocks in the wrong zone",
    "D3": "second clock, or declared immutable",
    "D4": "columns that nobody declared",
    "D5": "lineage: who reads the table of the label",
    "D6": "purge, leads and accounts over the split",
    "D7": "maturity of labels, to the microsecond",
    "D8": "which rows fitted transformers saw",
    "D9": "duplicates over the split",
    "D10": "batch rows equal single rows",
    "S1": "one column alone, cross-fitted AUC",
    "S2": "a value, bin, word or null side that is nearly always a conversion",
    "S3": "a level that never converts",
    "S4": "one column carries the model; ablation",
    "S5": "missing values of fresh against mature leads",
    "S6": "too good, or better in folds than out of time",
    "S7": "a cliff in the last day before conversion",
    "S8": "row numbers, ids and hidden clocks",
    "S9": "filled in or left empty as the outcome is",
}


@dataclass(frozen=True, slots=True)
class SheetAnswer:
    """One of the eight types of leakage, and what was done about it."""

    kind: str
    question: str
    answer: str


def html(report: AuditReport, *, project: str = "", as_of: str = "") -> str:
    """Render the audit as one self-contained HTML page."""
    groups = [
        (severity, _HEADINGS[severity], [v for v in report.verdicts if v.severity == severity])
        for severity in SEVERITIES
    ]
    return _template("audit.html").render(
        report=report,
        groups=groups,
        names=NAMES,
        whole=WHOLE,
        project=project,
        as_of=as_of,
        sheet=leakage_sheet(report),
        verdict_line=summary(report),
    )


def summary(report: AuditReport) -> str:
    """Summarise the audit in one line."""
    counts = {s: sum(v.severity == s for v in report.verdicts) for s in SEVERITIES}
    if counts["structural"]:
        return f"Leaks by structure: {counts['structural']}; training stops here."
    waived = sum(v.waived_by is not None for v in report.verdicts)
    parts = [
        f"columns in quarantine: {len(report.quarantined)}",
        f"waived: {waived}",
        f"to look at: {counts['review']}",
    ]
    return "No leak by structure; " + ", ".join(parts) + "."


def leakage_sheet(report: AuditReport) -> tuple[SheetAnswer, ...]:
    """Answer the eight types of leakage of Kapoor and Narayanan (Patterns 4, 2023)."""

    def findings(*detectors: str) -> str:
        hits = [v for v in report.verdicts if v.detector in detectors and v.severity != "note"]
        ran = ", ".join(d for d in detectors if d in report.checked)
        skipped = [d for d in detectors if report.checked.get(d, "").startswith("not in static")]
        if hits:
            listed = "; ".join(
                f"{v.detector} {'' if v.column == WHOLE else v.column + ': '}{v.reason}"
                for v in hits[:4]
            )
            return f"Found by {ran}: {listed}"
        if skipped and len(skipped) == len(detectors):
            return f"Not answered: without a creation time {ran} cannot run."
        return f"Nothing found by {ran}."

    ahead = report.checked.get("S6", "").rpartition(" against ")[2] or "on the test"

    def figure(name: str) -> str:
        return f"{report.figures[name]:.3f}" if name in report.figures else "not available"

    return (
        SheetAnswer(
            "1.1 No test set",
            "Is the model judged on rows that it was not fitted on?",
            f"Yes: {report.checked.get('D6', 'a purged cut')}. {findings('D6')}",
        ),
        SheetAnswer(
            "1.2 Pre-processing on train and test",
            "Did encoders, scalers or imputers see test rows?",
            f"They keep the hash of the rows they saw. {findings('D8')}",
        ),
        SheetAnswer(
            "1.3 Feature selection on train and test",
            "Were columns chosen with the test in sight?",
            "Columns are screened on training rows only (S1 to S5); S6 and S7 look at the test and "
            "choose nothing.",
        ),
        SheetAnswer(
            "1.4 Duplicates", "Do the same people stand in train and test?", findings("D9", "D6")
        ),
        SheetAnswer(
            "2 Illegitimate features",
            "Does a column know what cannot be known at as_of?",
            findings("D1", "D2", "D3", "D4", "D5", "S1", "S2", "S3", "S4", "S5", "S8", "S9"),
        ),
        SheetAnswer(
            "3.1 Temporal leakage",
            "Is anything in train younger than the test?",
            "The cut is purged: train windows close before the first test row. "
            f"{findings('D7', 'S7')}",
        ),
        SheetAnswer(
            "3.2 Dependence between train and test",
            "Do rows of one lead or account stand on both sides?",
            f"{findings('D6')} Quick model: AUC {figure('quick_auc_folds')} in grouped folds, "
            f"{figure('quick_auc_test')} {ahead}.",
        ),
        SheetAnswer(
            "3.3 Sampling bias in the test",
            "Are the test rows like the leads that will be scored?",
            f"{findings('D7', 'S6')} Leads that were never exported cannot be seen from here.",
        ),
    )


@cache
def _template(name: str) -> Template:
    environment = Environment(
        loader=PackageLoader(__package__), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template(name)
