"""The registry of a project: models loaded, published at the gate, promoted, rolled back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from data.errors import GateError, InputError
from leadscore.crm_project import CrmProject, need_crm
from leadscore.lead_model import LeadModel, registry_of
from leadscore.shown import Showable, Shown, table_of
from serving.loaded_model import load_model
from serving.verbs import register
from training.publish import Published
from training.registry import Registry


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Publication(Showable):
    """What became of a trained model at the registry's gate.

    `model` is the registered one; it is the model as it came where it was refused.
    """

    model: LeadModel
    _published: Published

    @property
    def registered(self) -> bool:
        """Whether it was registered at all."""
        return self._published.version is not None

    @property
    def promoted(self) -> bool:
        """Whether it is the champion now."""
        return self.registered and self._published.decision.promote

    @property
    def words(self) -> str:
        """The decision in one line."""
        return self._published.sentence

    @property
    def checks(self) -> pd.DataFrame:
        """Every check of the gate: name, figure, bar, held."""
        return pd.DataFrame(self._published.decision.checks)

    def _shown(self) -> Shown:
        return Shown(
            f"Model {self.model.version} of {self.model.crm.name}",
            self.words,
            tables=(table_of(self.checks, "Checks of the gate"),),
        )


def load(crm: CrmProject, model: str | int | Path = "champion") -> LeadModel:
    """Load a model: a version of the registry, an alias, or the folder of an artifact.

    Raises
    ------
    InputError
        Where the folder holds no artifact, or a file of it was changed.
    OutsideError
        Where the registry has no such model, or does not answer.
    """
    session = need_crm(crm)._session
    model = str(model) if isinstance(model, int) else model
    if isinstance(model, Path) or (Path(model) / "manifest.json").is_file():
        found = Registry("", crm.name, trust=session.trust).find(str(Path(model).absolute()))
        bands = session.project.score.bands
        return LeadModel(crm, load_model(found, threads=session.threads, bands=bands))
    loaded = session.model(model)
    return LeadModel(crm, loaded, _registered=True)


def publish(model: LeadModel) -> Publication:
    """Register a trained model; the gate says whether it is champion, as ``leadscore train`` does.

    A model with an open leak finding is not registered, and the answer says why. Nor is a first
    model that does not beat its baselines: the best of logistic regression, rule and base rate is
    champion in its place, and is the model of the answer.

    Raises
    ------
    InputError
        Where the project has no state folder, or the model was not trained here.
    OutsideError
        Where the registry does not answer.
    """
    crm, trained = need_model(model).crm, model._need_training()
    crm._require_state()
    published = register(crm._session, crm._reading, trained)
    if published.version is None:
        return Publication(model, published)
    if published.stands_in is not None:
        return Publication(load(crm, published.version.version), published)
    loaded = replace(model._loaded, version=published.version.version)
    return Publication(replace(model, _loaded=loaded, _registered=True), published)


def promote(model: LeadModel | Publication) -> LeadModel:
    """Make a model the champion by hand, also where the gate preferred the present champion.

    It is registered where it is not yet. The champion before stays ready for `rollback`.

    Raises
    ------
    GateError
        Where the model may not be registered: it does not beat its baselines, or it may leak.
    """
    model = model.model if isinstance(model, Publication) else need_model(model)
    if not model._registered:
        found = _find_registered(model)
        if found is None:
            publication = publish(model)
            if publication._published.refused is not None:
                raise GateError(publication.words)
            found = publication.model
        model = found
    registry_of(model.crm).promote(model.version)
    return model


def rollback(crm: CrmProject) -> LeadModel:
    """Go back to the champion before; scores are byte for byte what they were.

    OutsideError where there is none.
    """
    return load(crm, registry_of(need_crm(crm)).rollback())


def versions(crm: CrmProject) -> pd.DataFrame:
    """List the registered versions, newest first: aliases and what the gate said, by version."""
    found = registry_of(need_crm(crm)).versions()
    rows = [(v, ", ".join(aliases), tags.get("decision", "")) for v, tags, aliases in found]
    return pd.DataFrame(rows, columns=["version", "aliases", "decision"]).set_index("version")


def need_model(model: object) -> LeadModel:
    """Give the model; InputError where it is something else."""
    if isinstance(model, LeadModel):
        return model
    raise InputError(
        f"a model is needed, found {type(model).__name__}",
        column="model",
        cure="pass what train or load gave",
    )


def _find_registered(model: LeadModel) -> LeadModel | None:
    """Find the version of the registry that is this very model; None where there is none."""
    model.crm._require_state()
    for version, tags, _ in registry_of(model.crm).versions():
        if model._content and tags.get("content") == model._content:
            loaded = replace(model._loaded, version=version)
            return replace(model, _loaded=loaded, _registered=True)
    return None
