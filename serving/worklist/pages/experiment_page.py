"""A project's experiment -> page "Experiment"."""

from __future__ import annotations

from data.clock import DAY, iso
from models.note import Note
from serving.experiment_arms import ExperimentResult
from serving.figures.experiment import ArmComparison, Difference
from serving.worklist.pages.report_input import interval
from serving.worklist.phrase import Phrase
from serving.worklist.view_figures import ArmRow, ExperimentPage
from serving.worklist.view_parts import Interval, Point


def make_experiment(trial: ExperimentResult, *, finished: bool) -> ExperimentPage:
    """Show the first comparison: the scored arm where there is one, adjusted where possible.

    The report looks every week: until the experiment is finished its range is the one that holds
    at all looks together, and no p-value of a single look stands beside it.
    """
    names = sorted(trial.comparisons, key=lambda name: (name != "score", name))
    main = trial.comparisons[names[0]]
    best = main.plain if main.adjusted is None else main.adjusted
    start = trial.started_at
    return ExperimentPage(
        name=trial.name,
        unit="account" if trial.unit == "account" else "lead",
        started_on="" if start is None else iso(start),
        arms=tuple(
            ArmRow(name, rate.n, rate.hits, interval(rate)) for name, rate in trial.arms.items()
        ),
        difference=_interval(best if finished else main.always_valid),
        p_value=best.p_value if finished else None,
        power=trial.power,
        needed_per_arm=trial.needed_per_arm,
        looks=tuple(
            Point((each.at - (start or 0)) / DAY, each.value, each.low, each.high, each.n)
            for each in trial.looks.get(names[0], ())
        ),
        finished=finished,
        warnings=tuple(
            Phrase(text.msgid, text.values) if isinstance(text, Note) else Phrase(text)
            for text in trial.warnings
        ),
        treated=names[0],
        control=trial.control,
        adjusted=main.adjusted is not None,
        leads_a_week=_pace(trial, main),
    )


def _pace(trial: ExperimentResult, main: ArmComparison) -> float | None:
    """Count the leads a week that two arms got since the start, those too young to count too."""
    mature = sum(rate.n for rate in trial.arms.values())
    if not trial.weeks or not mature:
        return None
    share = (main.control.n + main.treated.n) / mature
    return share * (mature + trial.waiting) / trial.weeks


def _interval(difference: Difference) -> Interval:
    return Interval(difference.value, difference.low, difference.high)
