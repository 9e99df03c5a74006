"""A CRM that was read -> a model that was trained and evaluated, not yet registered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal

from data.errors import InputError
from leadscore.crm_project import CrmProject, need_crm, whole_number
from leadscore.lead_model import LeadModel, no_progress
from leadscore.model_record import UNREGISTERED
from serving.loaded_model import load_model
from serving.verbs import learn
from training.lead_sample import training_memory
from training.publish import write_model
from training.registry import ModelVersion

LEARNERS: Final = ("auto", "logistic")


def train(
    crm: CrmProject,
    *,
    fast: bool = False,
    learner: Literal["auto", "logistic"] | None = None,
    seed: int | None = None,
    memory: str | None = None,
    on_stage: Callable[[str], None] = no_progress,
) -> LeadModel:
    """Label, cut in time, audit for leaks, fit, calibrate, and evaluate beside the baselines.

    Nothing is registered: `publish` or `promote` does that. The score card of the champion, where
    there is one, stays in force.

    Parameters
    ----------
    crm : CrmProject
        What `read` gave.
    fast : bool, default False
        A fit of seconds at a little less quality, for a first look.
    learner : {"auto", "logistic"}, optional
        ``logistic`` fits the regularised line alone; default: the project's.
    seed : int, optional
        Default: the project's. The same seed gives the same bytes.
    memory : str, optional
        How much memory may be used, as ``"8GB"``; default: the project's, else half of the
        machine's. Where not all leads fit, it learns from all that converted and a sample of the
        others, by weights.
    on_stage : callable, optional
        Called with a few words when the next stage begins.

    Returns
    -------
    LeadModel
        It shows the candidates, the figures with their intervals, and the reliability. A model
        that may not be registered says so first in its `notes`.

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
            f"unknown learner {learner!r}", argument="learner", cure=f"use {' or '.join(LEARNERS)}"
        )
    if seed is not None:
        seed = whole_number(seed, "seed", least=0, cure="use a whole number from 0")
        crm = replace(crm, _session=replace(crm._session, seed=seed))
    session = crm._session
    trained = learn(
        session,
        crm._reading,
        session.champion(),
        fast=fast,
        learner=learner,
        memory=training_memory(session.project, memory, named="memory"),
        on_stage=on_stage,
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
