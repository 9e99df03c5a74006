"""A CRM that was read -> a model: trained, evaluated, saved; its scores and its reasons."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import ArrayLike

from data.errors import InputError
from data.labels import open_snapshots
from features.build import build
from leadscore.crm_project import CrmProject, When, need_crm
from leadscore.explained_lead import ExplainedLead
from leadscore.shown import Showable, Shown, ShownTable, table_of
from models.explain.contribution_plots import dependence, global_view
from models.explain.contribution_plots import to_shap as explanation_for_shap
from models.fit.learner import LeadClassifier
from models.predictor import LeadScorer, PredictorError
from serving.cli.clock import new_run_id
from serving.explain import explain_lead
from serving.loaded_model import LoadedModel, load_model
from serving.score import ScoringRun, read_bands, score_leads, scores_table
from serving.score_changes import Moment, changes_since
from serving.verbs import evaluate_registered, learn, score_run
from serving.worklist import charts
from serving.worklist.language import refuse_unknown, words_of
from serving.worklist.model_page import gains_curves, reliability_points
from serving.worklist.page_names import curve_names
from serving.worklist.view import GainsCurve
from training import evaluation_plots
from training.evaluate import Evaluation
from training.publish import write_model
from training.registry import ModelVersion, Registry
from training.train import TrainedModel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

UNREGISTERED = "unregistered"
FIGURES = {
    "log_loss": "log loss",
    "auc": "AUC",
    "average_precision": "average precision",
    "lift_10": "lift in top 10 %",
    "slope": "slope",
}


LEARNERS: Final = ("auto", "logistic")


def no_progress(_: str) -> None:
    """Show nothing when a stage begins."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class LeadModel(Showable):
    """A model of one project: it scores and explains open leads.

    Made by `leadscore.train` or `leadscore.load`. `version` is the number of a registered model,
    else "unregistered" or the name of the artifact's folder.
    """

    crm: CrmProject
    _loaded: LoadedModel
    _trained: TrainedModel | None = None
    _content: str = ""
    _registered: bool = False

    @property
    def version(self) -> str:
        """The number in the registry; "unregistered", or the folder's name, where it has none."""
        return self._loaded.version

    @property
    def metrics(self) -> pd.DataFrame:
        """Figures on test rows, of the model and its baselines: model, metric, value, low, high.

        The range is that of 95 % by a bootstrap over accounts or leads.
        """
        return pd.DataFrame(self._loaded.card.metrics)

    @property
    def verdicts(self) -> pd.DataFrame:
        """The model against each baseline, pair by pair, on the test rows."""
        return pd.DataFrame(self._loaded.card.verdicts)

    @property
    def capacity(self) -> pd.DataFrame:
        """What a team that works so many leads a week gets, by score and by other orders."""
        return pd.DataFrame(self._loaded.card.capacity)

    @property
    def candidates(self) -> pd.DataFrame:
        """The candidates, cross-fitted on training rows, and how far behind the winner each is.

        `behind` is in log loss. Empty where there were too few outcomes for a choice.
        """
        found = self._loaded.card.candidates
        return pd.DataFrame(found.get("random_folds") or found.get("forward_folds") or [])

    @property
    def winner(self) -> str:
        """The candidate that became the model."""
        return str(self._loaded.card.candidates.get("winner", "constant"))

    @property
    def notes(self) -> tuple[str, ...]:
        """What one should know before trusting the figures, a line each."""
        return tuple(self._loaded.card.notes)

    @property
    def quarantined(self) -> frozenset[str]:
        """Columns that the leak audit kept from the model; needs a model from `train`."""
        return self._need_training().audit.quarantined

    def score(
        self,
        crm: CrmProject,
        *,
        as_of: When | None = None,
        keep: bool = False,
        now: When | None = None,
    ) -> pd.DataFrame:
        """Score every open lead with what was known strictly before `as_of`.

        Parameters
        ----------
        crm
            The same project, with the tables as they are now.
        as_of
            Default: the end of observation.
        keep
            Keep the run in the state folder, as ``leadscore score`` does: write-back sends it,
            the next run compares with it. For registered models.
        now
            The moment of the run; default: the clock.

        Returns
        -------
        pandas.DataFrame
            One row per open lead, the columns of scores.parquet: lead_id, as_of, score (0 to 100),
            band, probability with its range, percentile, points by family, stage, trend, reasons.

        Raises
        ------
        InputError
            Where no lead is open, or a column that was learned from is not there.
        """
        need_crm(crm)
        if keep:
            scored = self._keep(crm, crm._moment(as_of), crm._now(now))
        else:
            scored = self._score(crm, crm._moment(as_of), crm._now(now))
        table: pd.DataFrame = scores_table(scored).to_pandas()
        return table

    def _score(
        self, crm: CrmProject, as_of: int, at: int, *, for_report: bool = False
    ) -> ScoringRun:
        """Score beside the bands of the run that was kept before; nothing is written."""
        session, reading = crm._session, crm._reading_of(self._loaded.kinds)
        return score_leads(
            session.project,
            reading.tables,
            reading.outcomes,
            self._loaded,
            as_of=as_of,
            scored_at=at,
            run_id=new_run_id(at),
            threads=session.threads,
            previous_bands=read_bands(
                session.state.scores, until=as_of, cuts=self._loaded.scorer.card.bands
            ),
            for_report=for_report,
        )

    def _keep(self, crm: CrmProject, as_of: int, at: int) -> ScoringRun:
        """Score and keep the run: later runs must find the model again by its version."""
        crm._require_state()
        if not self._registered:
            raise InputError(
                "only the runs of a registered model are kept",
                column="keep",
                cure="score with publish(model).model, or promote(model)",
            )
        return score_run(
            crm._session,
            crm._reading_of(self._loaded.kinds),
            self._loaded,
            as_of=as_of,
            scored_at=at,
            run_id=new_run_id(at),
            on_stage=no_progress,
        )

    def explain(
        self,
        crm: CrmProject,
        lead: str,
        *,
        as_of: When | None = None,
        since: When | None = None,
        language: str | None = None,
    ) -> ExplainedLead:
        """Say why a lead has its score, in whole points that add up to it.

        Parameters
        ----------
        lead
            The id of an open lead.
        since
            Also say why the score changed since then: against the run that was kept up to that
            moment, else against the past rebuilt.
        language
            Default: the project's. ``en``, ``it``, ``fr``, ``fa`` …

        Raises
        ------
        InputError
            Where there is no such lead, it is not open, or there is no such language.
        """
        session = need_crm(crm)._session
        language = language or session.project.project.language
        refuse_unknown([language])
        found = explain_lead(
            session,
            crm._reading_of(self._loaded.kinds),
            str(lead),
            self._loaded,
            as_of=crm._moment(as_of),
            since=None if since is None else _earlier(crm, since, as_of),
            language=language,
            subject=False,
        )
        return ExplainedLead(found, dict(self._loaded.scorer.card.bands))

    def changes(self, crm: CrmProject, *, since: When, as_of: When | None = None) -> pd.DataFrame:
        """List how the score of every open lead changed: lead_id, before, after, change.

        Largest rise first; both moments are scored by this model; leads that were not there at
        `since` are left out.
        """
        reading, at = need_crm(crm)._reading_of(self._loaded.kinds), crm._moment(as_of)
        tables, threads = reading.tables, crm._session.threads
        snapshots = open_snapshots(tables, reading.outcomes, at)
        frame = build(tables, snapshots, self._loaded.catalogue, threads=threads).to_pandas()
        moment = Moment(tables, snapshots, frame, self._loaded, threads)
        found = changes_since(moment, _earlier(crm, since, as_of)).values()
        rows = [(c.lead_id, c.old_score, c.score, c.score - c.old_score) for c in found]
        table = pd.DataFrame(rows, columns=["lead_id", "before", "after", "change"])
        return table.sort_values("change", ascending=False, kind="stable", ignore_index=True)

    def features(self, crm: CrmProject, *, as_of: When | None = None) -> pd.DataFrame:
        """Build the features of every open lead, as known strictly before `as_of`.

        Indexed by lead_id; the columns are those that the model reads.
        """
        reading = need_crm(crm)._reading_of(self._loaded.kinds)
        snapshots = open_snapshots(reading.tables, reading.outcomes, crm._moment(as_of))
        built = build(
            reading.tables, snapshots, self._loaded.catalogue, threads=crm._session.threads
        )
        ids = reading.tables.lead_ids[snapshots.lead].astype(str)
        return built.to_pandas().set_axis(pd.Index(ids, name="lead_id"), axis=0)

    def held_out(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Give the test rows, younger than any that was learned from: (features, outcomes).

        Outcomes has lead_id, as_of, converted (0 or 1), and the probability given by the model and
        by each baseline. InputError for a model that was not trained here.
        """
        trained = self._need_training()
        dataset, rows = trained.dataset, trained.dataset.cut.test
        snapshots = dataset.labelled.snapshots.take(rows)
        outcomes = pd.DataFrame(
            {
                "lead_id": self.crm._reading.tables.lead_ids[snapshots.lead].astype(str),
                "as_of": pd.to_datetime(snapshots.as_of, unit="us", utc=True),
                "converted": dataset.y[rows],
                **trained.test,
            }
        )
        return dataset.rows(rows).reset_index(drop=True), outcomes

    def importance(
        self, features: pd.DataFrame, *, by: Literal["feature", "factor"] = "factor"
    ) -> pd.DataFrame:
        """Rank what moves scores: name, mean_abs and mean contribution, in log-odds."""
        return global_view(_able(self._loaded.scorer, features), features, by=by)

    def dependence(
        self, features: pd.DataFrame, feature: str, converted: ArrayLike
    ) -> pd.DataFrame:
        """Put the contribution of a feature beside what happened: group, n, contribution, rate.

        InputError where the model has no such feature.
        """
        known = [str(name) for name in self._loaded.scorer.targets("feature")]
        if feature not in known:
            raise InputError(
                f"the model has no feature {feature!r}", cure=f"it has {', '.join(known)}"
            )
        scorer = _able(self._loaded.scorer, features)
        return dependence(scorer, features, feature, np.asarray(converted))

    def evaluate(self, crm: CrmProject) -> ModelFigures:
        """Evaluate on the newest mature leads of the data as they are now, beside the baselines."""
        return ModelFigures(
            title_of(self),
            evaluate_registered(
                need_crm(crm)._session,
                crm._reading_of(self._loaded.kinds),
                self._loaded,
                on_stage=no_progress,
            ),
        )

    def save(self, folder: str | Path) -> Path:
        """Write the model's artifact, a folder that stands alone; `leadscore.load` reads it."""
        place = Path(folder)
        if self._registered:
            shutil.copytree(registry_of(self.crm).find(self.version).folder, place)
        else:
            write_model(self._need_training(), place)
        return place

    def _need_training(self) -> TrainedModel:
        if self._trained is None:
            raise InputError(
                "a loaded model does not hold the data that it was trained on",
                cure="take the model that train() gave",
            )
        return self._trained

    def _shown(self) -> Shown:
        card, words = self._loaded.card, words_of("en")
        curves, names = gains_curves(card), curve_names(words)
        refused = None if self._trained is None else self._trained.refusal
        kept_away = () if self._trained is None else sorted(self._trained.audit.quarantined)
        notes = [*([f"may not be registered: {refused}"] if refused else []), *card.notes]
        if kept_away:
            notes.append(f"in quarantine, kept from the model: {', '.join(kept_away)}")
        return Shown(
            title_of(self),
            f"{self.winner}, trained on {card.train_rows:,} snapshots of {card.train_leads:,} "
            f"leads ({card.train_leads_converted:,} converted), tested on {card.test_rows:,} of "
            f"{card.test_leads:,} ({card.test_leads_converted:,})",
            facts=tuple(_facts(self)),
            notes=tuple(notes),
            figures=(
                ("Promised and observed", charts.reliability(reliability_points(card), words)),
                (_legend(curves, names), charts.gains(curves, names, words)),
            ),
            tables=(
                figures_table(self.metrics, self.verdicts),
                table_of(self.candidates, "Candidates, judged out of fold"),
            ),
        )


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class ModelFigures(Showable):
    """A model held against data: frames `metrics` and `verdicts`, and `notes`."""

    title: str
    evaluation: Evaluation

    @property
    def metrics(self) -> pd.DataFrame:
        """Figures of the model and its baselines: model, metric, value, error, low, high."""
        return self.evaluation.metrics

    @property
    def verdicts(self) -> pd.DataFrame:
        """The model against each baseline, pair by pair."""
        return self.evaluation.verdicts

    @property
    def notes(self) -> tuple[str, ...]:
        """What one should know before trusting the figures, a line each."""
        return self.evaluation.notes

    def _shown(self) -> Shown:
        table = figures_table(self.metrics, self.verdicts)
        summary = f"log loss {table.rows[0][1]}, AUC {table.rows[0][2]}"
        return Shown(self.title, summary, notes=self.notes, tables=(table,))


def train(
    crm: CrmProject,
    *,
    fast: bool = False,
    learner: Literal["auto", "logistic"] | None = None,
    seed: int | None = None,
    on_stage: Callable[[str], None] = no_progress,
) -> LeadModel:
    """Label, cut in time, audit for leaks, fit, calibrate, and evaluate beside the baselines.

    Nothing is registered: `publish` or `promote` does that. The score card of the champion, where
    there is one, stays in force.

    Parameters
    ----------
    fast
        A fit of seconds at a little less quality, for a first look.
    learner
        ``logistic`` fits the regularised line alone; default: the project's.
    seed
        Default: the project's.
    on_stage
        Called with a few words when the next stage begins.

    Returns
    -------
    LeadModel
        It shows the candidates, the figures with their intervals, and the reliability.

    Raises
    ------
    GateError
        On a structural leak, or where there are hardly any outcomes of one kind.
    InputError
        Where there is nothing to learn from.
    """
    need_crm(crm)
    if learner not in (None, *LEARNERS):
        raise InputError(
            f"unknown learner {learner!r}", column="learner", cure=f"use {' or '.join(LEARNERS)}"
        )
    if seed is not None and seed < 0:
        raise InputError("is negative", column="seed", cure="use 0 or more")
    if seed is not None:
        crm = replace(crm, _session=replace(crm._session, seed=seed))
    session = crm._session
    trained = learn(
        session, crm._reading, session.champion(), fast=fast, learner=learner, on_stage=on_stage
    )
    with TemporaryDirectory() as folder:
        artifact = Path(folder) / UNREGISTERED
        content = write_model(trained, artifact).version
        loaded = load_model(
            ModelVersion(UNREGISTERED, artifact, {}),
            threads=session.threads,
            bands=session.project.score.bands,
        )
    return LeadModel(crm, loaded, trained, content)


def _earlier(crm: CrmProject, since: When, as_of: When | None) -> int:
    """Read `since`; InputError where it is not before `as_of`."""
    start = crm._moment(since, "since")
    if start >= crm._moment(as_of):
        raise InputError("is not before as_of", column="since", cure="give an earlier moment")
    return start


def to_shap(
    model: LeadModel | LeadClassifier,
    features: pd.DataFrame,
    *,
    by: Literal["feature", "factor"] = "feature",
) -> Any:
    """Make a `shap.Explanation` of the exact contributions, for the plots of `shap`.

    Nothing is computed again. By factor no single value stands behind a contribution, so the data
    are the contributions. The extra ``leadscore[notebook]`` installs shap.
    """
    scorer = model._loaded.scorer if isinstance(model, LeadModel) else LeadScorer(*model.parts())
    return explanation_for_shap(_able(scorer, features), features, by=by)


def plot_reliability(model: LeadModel) -> Figure:
    """Draw promised against observed rates on the test rows, a matplotlib figure."""
    card = model._loaded.card
    return evaluation_plots.plot_reliability(pd.DataFrame(card.curve), pd.DataFrame(card.bands))


def plot_gains(model: LeadModel) -> Figure:
    """Draw the conversions caught by the share of leads worked, a matplotlib figure."""
    pairs = model._loaded.card.gains["model"]
    return evaluation_plots.plot_gains(pd.DataFrame(pairs, columns=["worked", "captured"]))


def figures_table(metrics: pd.DataFrame, verdicts: pd.DataFrame) -> ShownTable:
    """Lay out the figures of model and baselines with their ranges, and how the model stands."""
    against = {row["against"]: row["verdict"] for row in verdicts.to_dict("records")}
    rows = []
    for name in metrics["model"].unique():
        mine = metrics[metrics["model"] == name].set_index("metric")
        cells = [_with_range(mine, metric) for metric in FIGURES]
        rows.append((str(name), *cells, str(against.get(name, ""))))
    columns = ("", *FIGURES.values(), "the model is")
    caption = "Test snapshots, 95 % intervals"
    return ShownTable(caption, columns, tuple(rows), tuple(range(1, len(FIGURES) + 1)))


def _with_range(figures: pd.DataFrame, metric: str) -> str:
    ends = figures.loc[[metric], ["value", "low", "high"]].to_numpy(np.float64)[0]
    value, low, high = (f"{each:.3f}" for each in ends)
    return value.replace("nan", "–") if np.isnan(ends[1]) else f"{value} ({low} to {high})"


def title_of(model: LeadModel) -> str:
    """Name a model by its version and its project."""
    named = "Unregistered model" if model.version == UNREGISTERED else f"Model {model.version}"
    return f"{named} of {model.crm.name}"


def _legend(curves: Sequence[GainsCurve], names: Mapping[str, str]) -> Markup:
    lines = [Markup('<span class="k k-{}">{}</span>').format(c.name, names[c.name]) for c in curves]
    return Markup("").join(["Conversions caught", *lines])


def _facts(model: LeadModel) -> list[tuple[str, str]]:
    card = model._loaded.card
    found = [(FIGURES[name], card.figure(name)) for name in ("auc", "log_loss", "lift_10")]
    told = [
        (name, f"{each['value']:.3f} ({each['low']:.3f} to {each['high']:.3f})")
        for name, each in found
        if each is not None
    ]
    return [*told, ("horizon", f"{card.horizon_days:g} days")] if card.horizon_days else told


def _able(scorer: LeadScorer, features: pd.DataFrame) -> LeadScorer:
    """Give the scorer back where the frame has what it reads; InputError naming what is missing."""
    try:
        scorer.check(features)
    except PredictorError as error:
        raise InputError(str(error), cure="take the frame of features() or held_out()") from None
    return scorer


def registry_of(crm: CrmProject) -> Registry:
    """Open the registry of a project; InputError where it has no state folder."""
    crm._require_state()
    return crm._session.registry
