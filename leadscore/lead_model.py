"""A model and a CRM that was read -> scores and reasons of its open leads, figures, features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from data.errors import InputError
from data.labels import open_snapshots
from data.near_names import did_you_mean
from data.reading.any_table import AnyFrame, as_pandas
from features.build import build
from leadscore.crm_project import CrmProject, When, need_crm
from leadscore.explained_lead import ExplainedLead
from leadscore.model_figures import ModelFigures
from leadscore.model_record import ModelRecord, title_of
from models.explain.shap_values import dependence, global_view
from models.predictor import LeadScorer, PredictorError
from serving.explain import explain_lead
from serving.held_back import held_arms
from serving.run_moment import RunMoment
from serving.score_changes import Moment, changes_since
from serving.scoring_run import ScoringRun, scores_table
from serving.verbs import evaluate_registered, score_now, score_run
from serving.worklist.language import refuse_unknown


def no_progress(_: str) -> None:
    """Show nothing when a stage begins."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class LeadModel(ModelRecord):
    """A model of one project: it scores and explains open leads.

    Made by `train` or `load`, not by hand. In a notebook it shows its figures with their ranges,
    its reliability, what it gains, and the candidates that it was chosen from.

    Attributes
    ----------
    crm : CrmProject
        The project that it was trained or loaded with.
    """

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
        crm : CrmProject
            The same project, with the tables as they are now.
        as_of : str, date or datetime, optional
            Default: the end of observation.
        keep : bool, default False
            Keep the run in the state folder, as ``leadscore score`` does: write-back sends it,
            the next run compares with it. For registered models.
        now : str, date or datetime, optional
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
        run = need_crm(crm)._run(as_of, now)
        scored = self._keep(crm, run) if keep else self._score(crm, run)
        table: pd.DataFrame = scores_table(scored).to_pandas()
        return table

    def _score(self, crm: CrmProject, run: RunMoment, *, for_report: bool = False) -> ScoringRun:
        """Score beside the bands of the run that was kept before; nothing is written."""
        return score_now(
            crm._session,
            crm._reading_of(self._loaded.kinds),
            self._loaded,
            run,
            for_report=for_report,
            on_stage=no_progress,
        )

    def _keep(self, crm: CrmProject, run: RunMoment) -> ScoringRun:
        """Score and keep the run: later runs must find the model again by its version."""
        crm._require_state()
        if not self._registered:
            raise InputError(
                "only the runs of a registered model are kept",
                argument="keep",
                cure="score with publish(model).model, or promote(model)",
            )
        return score_run(
            crm._session,
            crm._reading_of(self._loaded.kinds),
            self._loaded,
            run,
            on_stage=no_progress,
        )

    def explain(
        self,
        crm: CrmProject,
        lead: object,
        *,
        as_of: When | None = None,
        since: When | None = None,
        language: str | None = None,
    ) -> ExplainedLead:
        """Say why a lead has its score, in whole points that add up to it.

        Parameters
        ----------
        crm : CrmProject
            The project, with the tables as they are now.
        lead : str or int
            The id of an open lead.
        as_of : str, date or datetime, optional
            Default: the end of observation.
        since : str, date or datetime, optional
            Also say why the score changed since then, a day without a time being its end: against
            the last run that was kept up to then, else against the past rebuilt.
        language : str, optional
            Default: the project's. ``en``, ``it``, ``fr``, ``fa`` …

        Returns
        -------
        ExplainedLead
            It shows the waterfall from the typical lead to this one, and the change.

        Raises
        ------
        InputError
            Where there is no such lead, it is not open, or there is no such language.
        GateError
            Where an experiment holds the lead's score back.
        """
        session = need_crm(crm)._session
        language = language or session.project.project.language
        refuse_unknown([language])
        at = crm._now(None)
        moment = session.moment_of_scores(crm._moment(as_of), at)
        found = explain_lead(
            session,
            crm._reading_of(self._loaded.kinds),
            str(lead),
            self._loaded,
            as_of=moment,
            at=at,
            since=None if since is None else crm._earlier(since, moment),
            language=language,
            subject=False,
        )
        return ExplainedLead(found, dict(self._loaded.scorer.card.bands))

    def changes(self, crm: CrmProject, *, since: When, as_of: When | None = None) -> pd.DataFrame:
        """List how the score of every open lead changed; both moments are scored by this model.

        Parameters
        ----------
        crm : CrmProject
            The project, with the tables as they are now.
        since : str, date or datetime
            The earlier moment, a day without a time being its end; leads that were not there yet
            are left out, and those whose score an experiment holds back.
        as_of : str, date or datetime, optional
            Default: the end of observation.

        Returns
        -------
        pandas.DataFrame
            lead_id, before, after, change; the largest rise first.
        """
        reading = need_crm(crm)._reading_of(self._loaded.kinds)
        at = crm._session.moment_of_scores(crm._moment(as_of), crm._now(None))
        tables, threads = reading.tables, crm._session.threads
        snapshots = open_snapshots(tables, reading.outcomes, at)
        held = held_arms(tables, snapshots.lead, crm._session.project, at)
        snapshots = snapshots.take(np.array([arm is None for arm in held], bool))
        frame = build(tables, snapshots, self._loaded.catalogue, threads=threads).to_pandas()
        moment = Moment(tables, snapshots, frame, self._loaded, threads)
        found = changes_since(moment, crm._earlier(since, at)).values()
        rows = [(c.lead_id, c.old_score, c.score, c.score - c.old_score) for c in found]
        table = pd.DataFrame(rows, columns=["lead_id", "before", "after", "change"])
        return table.sort_values("change", ascending=False, kind="stable", ignore_index=True)

    def features(self, crm: CrmProject, *, as_of: When | None = None) -> pd.DataFrame:
        """Build the features of every open lead, as known strictly before `as_of`.

        Parameters
        ----------
        crm : CrmProject
            The project, with the tables as they are now.
        as_of : str, date or datetime, optional
            Default: the end of observation.

        Returns
        -------
        pandas.DataFrame
            The columns that the model reads, indexed by lead_id.
        """
        reading = need_crm(crm)._reading_of(self._loaded.kinds)
        snapshots = open_snapshots(reading.tables, reading.outcomes, crm._moment(as_of))
        built = build(
            reading.tables, snapshots, self._loaded.catalogue, threads=crm._session.threads
        )
        ids = reading.tables.lead_ids[snapshots.lead].astype(str)
        return built.to_pandas().set_axis(pd.Index(ids, name="lead_id"), axis=0)

    def importance(
        self, features: AnyFrame, *, by: Literal["feature", "factor"] = "factor"
    ) -> pd.DataFrame:
        """Rank what moves scores.

        Parameters
        ----------
        features : pandas, polars or Arrow table
            From `features` or `held_out`.
        by : {"feature", "factor"}, default "factor"
            Single columns, or what belongs together.

        Returns
        -------
        pandas.DataFrame
            name, mean_abs and mean contribution in log-odds, the largest first.
        """
        if by not in ("feature", "factor"):
            raise InputError(f"is {by!r}", argument="by", cure="use feature or factor")
        return global_view(*readable(self._loaded.scorer, features), by=by)

    def dependence(self, features: AnyFrame, feature: str, converted: ArrayLike) -> pd.DataFrame:
        """Put the contribution of a feature beside what happened.

        Parameters
        ----------
        features : pandas, polars or Arrow table
            From `held_out`.
        feature : str
            One of its columns.
        converted : array of 0 and 1, (n_rows,)
            What happened.

        Returns
        -------
        pandas.DataFrame
            group (of values, in their order, the missing last), n, contribution in log-odds, rate
            observed.

        Raises
        ------
        InputError
            Where the model has no such feature, or the lengths differ.
        """
        known = [str(name) for name in self._loaded.scorer.targets("feature")]
        if feature not in known:
            asked = feature.lower().replace(" ", "_")
            cure = did_you_mean(asked, known, f"it has {', '.join(known)}")
            raise InputError(f"the model has no feature {feature!r}", cure=cure)
        scorer, frame = readable(self._loaded.scorer, features)
        outcomes = np.asarray(converted)
        if len(outcomes) != len(frame):
            raise InputError(
                f"has {len(outcomes):,} rows, features have {len(frame):,}", argument="converted"
            )
        return dependence(scorer, frame, feature, outcomes)

    def evaluate(self, crm: CrmProject) -> ModelFigures:
        """Evaluate on the newest mature leads of the data as they are now, beside the baselines.

        Parameters
        ----------
        crm : CrmProject
            The project, with the tables as they are now.

        Returns
        -------
        ModelFigures
            It shows the figures with their ranges.
        """
        found = evaluate_registered(
            need_crm(crm)._session,
            crm._reading_of(self._loaded.kinds),
            self._loaded,
            on_stage=no_progress,
        )
        return ModelFigures(title_of(self), found)


def need_model(model: object) -> LeadModel:
    """Give the model; InputError where it is something else."""
    if isinstance(model, LeadModel):
        return model
    raise InputError(
        f"a model is needed, found {type(model).__name__}",
        argument="model",
        cure="pass what train or load gave",
    )


def readable(scorer: LeadScorer, features: Any) -> tuple[LeadScorer, pd.DataFrame]:
    """Give scorer and frame where it has what is read; InputError naming what is missing."""
    frame = as_pandas(features)
    if frame is None:
        raise InputError(
            f"is no table but {type(features).__name__}",
            argument="features",
            cure="take the frame of features() or held_out()",
        )
    try:
        scorer.check(frame)
    except PredictorError as error:
        raise InputError(str(error), cure="take the frame of features() or held_out()") from None
    return scorer, frame
