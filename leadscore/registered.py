"""The registry of a project: models loaded, published at the gate, promoted, rolled back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from data.errors import GateError
from leadscore.crm_project import CrmProject, need_crm
from leadscore.lead_model import LeadModel, need_model
from leadscore.model_record import registry_of, title_of
from leadscore.shown import Showable, Shown, table_of
from serving.loaded_model import load_model
from serving.verbs import register
from training.registry import CHAMPION, Registry


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Publication(Showable):
    """What became of a trained model at the registry's gate; made by `publish`.

    Attributes
    ----------
    model : LeadModel
        The registered one, or what stands in for it; the model as it came where none is.
    promoted : bool
        Whether the gate made it champion.
    words : str
        The decision in one line.
    checks : pandas.DataFrame
        Every check of the gate: name, figure, bar, held; empty where it was registered before.
    refused : str or None
        Why the model that was trained may not be registered; another may stand in for it.
    """

    model: LeadModel
    promoted: bool
    words: str
    checks: pd.DataFrame
    refused: str | None = None

    @property
    def registered(self) -> bool:
        """Whether it stands in the registry."""
        return self.model._registered

    def _shown(self) -> Shown:
        return Shown(
            title_of(self.model), self.words, tables=(table_of(self.checks, "Checks of the gate"),)
        )


def load(crm: CrmProject, model: str | int | Path = "champion") -> LeadModel:
    """Load a model of a project.

    Parameters
    ----------
    crm : CrmProject
        What `read` gave.
    model : str, int or path, default "champion"
        A version of the registry, an alias, or the folder of an artifact (`LeadModel.save`).

    Returns
    -------
    LeadModel
        It scores and explains; it does not hold the data that it was trained on.

    Raises
    ------
    InputError
        Where the registry has no such model, the folder holds no artifact, or a file of it was
        changed.
    OutsideError
        Where the registry does not answer.
    """
    session = need_crm(crm)._session
    model = model if isinstance(model, str | Path) else str(model)
    if isinstance(model, Path) or (Path(model) / "manifest.json").is_file():
        found = Registry("", crm.name, trust=session.trust).find(str(Path(model).absolute()))
        bands = session.project.score.bands
        return LeadModel(crm, load_model(found, threads=session.threads, bands=bands))
    crm._require_state()
    return LeadModel(crm, session.model(model), _registered=True)


def publish(model: LeadModel) -> Publication:
    """Register a trained model; the gate says whether it is champion, as ``leadscore train`` does.

    A model with an open leak finding is not registered, and the answer says why. Nor is a first
    model that does not beat its baselines: the best of logistic regression, rule, time since the
    last event and base rate is champion in its place, and is the model of the answer. A model that
    was registered before is registered no second time, and its aliases stay as they are.

    Parameters
    ----------
    model : LeadModel
        From `train`.

    Returns
    -------
    Publication
        `Publication.model` is the registered model; `Publication.refused` says why it is not yours.

    Raises
    ------
    InputError
        Where the project has no state folder, or the model was not trained here.
    OutsideError
        Where the registry does not answer.
    """
    crm = need_model(model).crm
    crm._require_state()
    known = _find_registered(model)
    if known is not None:
        return known
    published = register(crm._session, crm._reading, model._need_training())
    decision, version = published.decision, published.version
    checks = pd.DataFrame(decision.checks)
    if version is None:
        return Publication(model, False, published.sentence, checks, published.refused)
    if published.stands_in is not None:
        stand_in = load(crm, version.version)
        promoted = published.decision.promote
        return Publication(stand_in, promoted, published.sentence, checks, published.refused)
    words = f"version {version.version} is champion: {decision.sentence}"
    if not decision.promote:
        words = (
            f"version {version.version} is challenger: {decision.sentence}; promote(model) makes "
            "it champion by hand"
        )
    return Publication(_registered_as(model, version.version), decision.promote, words, checks)


def promote(model: LeadModel | Publication) -> LeadModel:
    """Make a model the champion by hand, also where the gate preferred the present champion.

    It is registered where it is not yet. The champion before stays ready for `rollback`.

    Parameters
    ----------
    model : LeadModel or Publication
        From `train`, `load` or `publish`.

    Returns
    -------
    LeadModel
        The champion, as it is registered.

    Raises
    ------
    GateError
        Where the model may not be registered: it does not beat its baselines, or it may leak.
    """
    model = model.model if isinstance(model, Publication) else need_model(model)
    if not model._registered:
        published = publish(model)
        if published.refused is not None:
            raise GateError(published.words)
        model = published.model
    registry_of(model.crm).promote(model.version)
    return model


def rollback(crm: CrmProject) -> LeadModel:
    """Go back to the champion before; scores are byte for byte what they were.

    Bands may differ for leads that stand within ``hysteresis`` of a cut: those keep the band of
    the last run. A second call goes one champion further back, never to one that was rolled back.

    Parameters
    ----------
    crm : CrmProject
        What `read` gave.

    Returns
    -------
    LeadModel
        The champion now.

    Raises
    ------
    InputError
        Where there is no champion before.
    """
    return load(crm, registry_of(need_crm(crm)).rollback())


def versions(crm: CrmProject) -> pd.DataFrame:
    """List the registered versions, newest first.

    Parameters
    ----------
    crm : CrmProject
        What `read` gave.

    Returns
    -------
    pandas.DataFrame
        aliases and decision (what the gate said), by version.
    """
    found = registry_of(need_crm(crm)).versions()
    rows = [(v, ", ".join(aliases), tags.get("decision", "")) for v, tags, aliases in found]
    return pd.DataFrame(rows, columns=["version", "aliases", "decision"]).set_index("version")


def _find_registered(model: LeadModel) -> Publication | None:
    """Find the version of the registry that is this very model; None where there is none."""
    for version, tags, aliases in registry_of(model.crm).versions():
        if version == model.version or (model._content and tags.get("content") == model._content):
            words = f"version {version} was registered before: {tags.get('decision', '')}"
            checks = pd.DataFrame(columns=["name", "figure", "bar", "passed"])
            return Publication(_registered_as(model, version), CHAMPION in aliases, words, checks)
    return None


def _registered_as(model: LeadModel, version: str) -> LeadModel:
    return replace(model, _loaded=replace(model._loaded, version=version), _registered=True)
