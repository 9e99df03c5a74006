"""A project file edited since training -> what takes effect at once, and what with a retrain."""

from __future__ import annotations

from collections.abc import Mapping

from data.durations import DAY
from data.schema import Project
from serving.loaded_model import LoadedModel


def say_edited(project: Project, model: LoadedModel) -> list[str]:
    """Say what differs from the model's training: bands, which count already, and the horizon."""
    said = []
    if model.bands_edited:
        said.append(
            f"bands are cut at {_bands(model.scorer.card.bands)}, as the project file says now "
            f"(at {_bands(model.learned_bands)} when version {model.version} was trained)"
        )
    if project.conversion.horizon is not None and not project.static:
        asked, learned = f"{project.conversion.horizon / DAY:g}d", f"{model.card.horizon_days:g}d"
        if asked != learned:
            said.append(
                f"the project file has changed since version {model.version} was trained "
                f"(horizon {asked} for {learned}): it takes effect with the next training"
            )
    return said


def _bands(cuts: Mapping[str, float]) -> str:
    return " ".join(f"{name} {least:g}" for name, least in sorted(cuts.items()))
