"""`leadscore experiment`: power before, assignment during, analysis after."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serving.cli import progress, screen
from serving.cli.options import AsOf, Json, Model, ProjectFile, StateFolder

if TYPE_CHECKING:
    from serving.experiment_arms import ExperimentResult

app = typer.Typer(
    help="A/B tests of working by score: power, assign, analyse.", no_args_is_help=True
)


@app.command()
def power(
    base: Annotated[float, typer.Argument(help="Conversion rate without the change: 0.08.")],
    hoped: Annotated[float, typer.Argument(help="Conversion rate that the change should reach.")],
    chance: Annotated[float, typer.Option("--power", help="Chance to show it.")] = 0.8,
    alpha: Annotated[float, typer.Option("--alpha", help="Chance of a false alarm.")] = 0.05,
    ratio: Annotated[float, typer.Option("--ratio", help="Treated leads for each other.")] = 1.0,
    account_size: Annotated[
        float, typer.Option("--account-size", help="Leads an account, where accounts are assigned.")
    ] = 1.0,
    icc: Annotated[
        float, typer.Option("--icc", help="How alike leads of an account are, 0 to 1.")
    ] = 0.0,
    per_week: Annotated[
        float | None, typer.Option("--leads-per-week", min=0.01, help="Also say how long it takes.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Count the leads that a test needs.

    Example: leadscore experiment power 0.08 0.10 --leads-per-week 150
    """
    from data.errors import InputError
    from serving.figures.power import size_test

    try:
        size = size_test(
            base, hoped, power=chance, alpha=alpha, ratio=ratio, cluster_size=account_size, icc=icc
        )
    except ValueError as error:
        raise InputError(str(error), cure="rates are shares: write 0.08 for 8 %") from None
    weeks = None if per_week is None else size.total / per_week
    if as_json:
        screen.say_json(
            {
                "control": size.control,
                "treated": size.treated,
                "total": size.total,
                "design_effect": size.design_effect,
                "weeks": weeks,
            }
        )
        return
    screen.say(f"{size.control:,} leads without the change, {size.treated:,} with it")
    if size.design_effect > 1:
        screen.say(
            f"leads of an account are alike, which takes {size.design_effect:.2f} times as many"
        )
    if weeks is not None:
        screen.say(f"{weeks:.0f} weeks at {per_week:g} leads a week, and one horizon to mature")


@app.command()
def bands(
    file: ProjectFile,
    rise: Annotated[
        float,
        typer.Option("--rise", min=0.01, help="Rise of each band's rate: 0.25 for a quarter."),
    ] = 0.25,
    model: Model = "champion",
    state: StateFolder = None,
    as_json: Json = False,
) -> None:
    """Count the leads that a test needs in each band of the score.

    Example: leadscore experiment bands acme.toml --rise 0.5
    """
    from dataclasses import asdict

    from serving.band_sizes import plan_bands
    from serving.kept_run import KeptRun
    from serving.session import open_session

    session = open_session(file, state=state, threads=1)
    kept = KeptRun.read(session.state.scores)
    planned = plan_bands(session.model(model), rise, None if kept is None else kept.open_by_band())
    if as_json:
        screen.say_json({"bands": [asdict(each) for each in planned]})
        return
    screen.table(
        f"Leads that show a rise by {rise:.0%}",
        ("band", "rate", "leads in each arm", "open now"),
        [
            (
                each.band,
                f"{each.rate:.1%}",
                "no number can" if each.per_arm is None else f"{each.per_arm:,}",
                "" if each.open_leads is None else f"{each.open_leads:,}",
            )
            for each in planned
        ],
    )


@app.command()
def assign(
    file: ProjectFile,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="A CSV of lead and arm; default: arms.csv in the state folder."),
    ] = None,
    state: StateFolder = None,
    as_json: Json = False,
) -> None:
    """Give every lead its arm by salted hash: the same every night, on every machine.

    Example: leadscore experiment assign acme.toml --out arms.csv
    """
    from data.files import write_text
    from serving.experiment_arms import assign_leads
    from serving.session import open_session
    from training.state_format import make_folder

    session = open_session(file, state=state)
    with screen.stages(progress.ASSIGN, quiet=as_json) as stage:
        stage("reading the sources")
        reading = session.read()
        stage("arms")
        arms = assign_leads(reading.tables, session.project)
    counts = arms["arm"].value_counts().sort_index().to_dict()
    if out is None:
        make_folder(session.state)
    path = write_text(
        out or session.state.folder / "arms.csv", arms[["lead_id", "arm"]].to_csv(index=False)
    )
    if as_json:
        screen.say_json({"arms": counts, "path": str(path)})
        return
    screen.table("Arms", ("arm", "leads"), [(name, f"{n:,}") for name, n in counts.items()])
    screen.say(str(path))


@app.command()
def analyse(
    file: ProjectFile,
    as_of: AsOf = None,
    state: StateFolder = None,
    as_json: Json = False,
) -> None:
    """Compare the arms: difference with its range, adjusted, and valid at every look.

    Example: leadscore experiment analyse acme.toml
    """
    from dataclasses import asdict, replace

    from serving.experiment_arms import analyse_experiment
    from serving.loaded_model import load_model
    from serving.session import open_session

    session = open_session(file, state=state)
    bands = session.project.score.bands
    with screen.stages(progress.ANALYSE, quiet=as_json) as stage:
        stage("reading the sources")
        reading = session.read()
        outcomes = replace(reading.outcomes, observed_until=session.moment(as_of, reading))
        stage("model")
        champion = session.champion()
        model = None if champion is None else load_model(champion, bands=bands)
        stage("comparing the arms")
        trial = analyse_experiment(
            reading.tables, outcomes, session.project, state=session.state, model=model
        )
    if as_json:
        screen.say_json(asdict(trial))
    else:
        _show(trial)


def _show(trial: ExperimentResult) -> None:
    screen.table(
        f"Experiment {trial.name}, by {trial.unit}",
        ("arm", "leads", "conversions", "rate", "95 %"),
        [
            (
                name,
                f"{rate.n:,}",
                f"{rate.hits:,}",
                f"{rate.value:.2%}",
                f"{rate.low:.2%} to {rate.high:.2%}",
            )
            for name, rate in trial.arms.items()
        ],
    )
    for name, comparison in trial.comparisons.items():
        rows = [("plain", comparison.plain), ("valid at every look", comparison.always_valid)]
        if comparison.adjusted is not None:
            rows.insert(1, ("adjusted", comparison.adjusted))
        screen.table(
            f"{name} against {trial.control}",
            ("", "difference", "range", "p"),
            [
                (
                    words,
                    f"{each.value:+.2%}",
                    f"{each.low:+.2%} to {each.high:+.2%}",
                    f"{each.p_value:.2g}",
                )
                for words, each in rows
            ],
        )
    if trial.power is not None and trial.needed_per_arm is not None:
        screen.say(
            f"chance to show a rise by a quarter: {trial.power:.0%}; "
            f"{trial.needed_per_arm:,} leads an arm would give 80 %"
        )
    for band in trial.bands:
        screen.say(band.sentence)
    if trial.waiting:
        screen.say(f"{trial.waiting:,} leads are too young to count")
    kept = trial.contamination
    if kept is not None:
        screen.say(
            f"contaminated: {kept.contaminated:,} of {kept.held_back:,} leads worked without a "
            f"score; {kept.unseen:,} of {kept.scored:,} scores of the others were never shown"
        )
    for warning in trial.warnings:
        screen.say(f"warning: {warning}")
