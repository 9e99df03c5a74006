"""A project file edited since training -> one line on what takes effect with the next training."""

from __future__ import annotations

from data.durations import DAY
from data.schema import Project
from serving.loaded_model import LoadedModel


def say_edited(project: Project, model: LoadedModel) -> str | None:
    """Name the horizon and bands that differ from the model's; None where none does."""
    asked = {"bands": _bands(dict(project.score.bands))}
    learned = {"bands": _bands(dict(model.scorer.card.bands))}
    if project.conversion.horizon is not None and not project.static:
        asked["horizon"] = f"{project.conversion.horizon / DAY:g}d"
        learned["horizon"] = f"{model.card.horizon_days:g}d"
    changed = [
        f"{key} {asked[key]} for {learned[key]}" for key in asked if asked[key] != learned[key]
    ]
    if not changed:
        return None
    return (
        f"the project file has changed since version {model.version} was trained "
        f"({'; '.join(changed)}): it takes effect with the next training"
    )


def _bands(cuts: dict[str, float]) -> str:
    return " ".join(f"{name} {least:g}" for name, least in sorted(cuts.items()))
