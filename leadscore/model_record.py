"""A model -> what is known of it without new data: its version, figures, test rows, artifact."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from data.errors import InputError, OutsideError
from leadscore.crm_project import CrmProject
from leadscore.model_figures import card_charts, figures_table, headline
from leadscore.shown import Showable, Shown, table_of
from serving.loaded_model import LoadedModel
from training.publish import write_model
from training.registry import Registry
from training.trained_model import TrainedModel

UNREGISTERED = "unregistered"


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class ModelRecord(Showable):
    """A model of one project: version, figures, notes, test rows, artifact."""

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

        The range is that of 95 % by a bootstrap over accounts or leads. Empty where too few
        outcomes were known for a test, as on day one.
        """
        columns = ["model", "metric", "value", "error", "low", "high"]
        return pd.DataFrame(self._loaded.card.metrics, columns=columns)

    @property
    def verdicts(self) -> pd.DataFrame:
        """The model against each baseline, pair by pair, on the test rows."""
        columns = ["against", "difference", "error", "low", "high", "verdict"]
        return pd.DataFrame(self._loaded.card.verdicts, columns=columns)

    @property
    def capacity(self) -> pd.DataFrame:
        """What a team that works so many leads a week gets, by score and by other orders."""
        return pd.DataFrame(self._loaded.card.capacity)

    @property
    def candidates(self) -> pd.DataFrame:
        """The candidates, cross-fitted on training rows: candidate, log_loss, behind, its errors.

        `behind` is the log loss above that of the default candidate, the mean of line, forest and
        boosted line (of the line alone where no forest was grown): below 0 is better.
        `standard_error` is that of `behind`; `between` also counts how it changed from period to
        period. Empty where there were too few outcomes for a choice.
        """
        found = self._loaded.card.candidates
        return pd.DataFrame(found.get("random_folds") or found.get("forward_folds") or [])

    @property
    def winner(self) -> str:
        """The candidate that became the model."""
        return str(self._loaded.card.candidates.get("winner", "constant"))

    @property
    def refusal(self) -> str | None:
        """Why the model may not be registered; None where it may, or was."""
        return None if self._trained is None else self._trained.refusal

    @property
    def notes(self) -> tuple[str, ...]:
        """What one should know before trusting the figures, a line each; a refusal comes first."""
        kept_away = () if self._trained is None else sorted(self._trained.audit.quarantined)
        return (
            *([f"may not be registered: {self.refusal}"] if self.refusal else []),
            *self._loaded.card.notes,
            *([f"in quarantine, kept from the model: {', '.join(kept_away)}"] if kept_away else []),
        )

    @property
    def quarantined(self) -> frozenset[str]:
        """Columns that the leak audit kept from the model; needs a model from `train`."""
        return self._need_training().audit.quarantined

    def held_out(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Give the test rows, younger than any that was learned from.

        Returns
        -------
        features : pandas.DataFrame
            The columns that the model reads.
        outcomes : pandas.DataFrame
            lead_id, as_of, converted (0 or 1), and the probability given by the model and by each
            baseline, row by row.

        Raises
        ------
        InputError
            For a model that was not trained here.
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

    def save(self, folder: str | Path) -> Path:
        """Write the model's artifact, a folder that stands alone; `load` reads it.

        Parameters
        ----------
        folder : path
            A new folder; nothing is written over.

        Returns
        -------
        pathlib.Path
            The folder.

        Raises
        ------
        InputError
            Where there is something at that place.
        OutsideError
            Where it can't be written.
        """
        place = Path(folder)
        if place.exists() and not (place.is_dir() and not any(place.iterdir())):
            raise InputError(
                f"there is something at {place}", argument="folder", cure="give a new folder"
            )
        try:
            if self._registered:
                found = registry_of(self.crm).find(self.version).folder
                shutil.copytree(found, place, dirs_exist_ok=True)
            else:
                write_model(self._need_training(), place)
        except OSError as error:
            raise OutsideError(f"{place} can't be written: {error.strerror}") from error
        return place

    def _need_training(self) -> TrainedModel:
        if self._trained is None:
            raise InputError(
                "a loaded model does not hold the data that it was trained on",
                cure="take the model that train() gave",
            )
        return self._trained

    def _shown(self) -> Shown:
        card = self._loaded.card
        learned = (
            f"{self.winner}, trained on {card.train_rows:,} snapshots of {card.train_leads:,} "
            f"leads ({card.train_leads_converted:,} converted)"
        )
        if not card.test_rows:
            return Shown(title_of(self), f"{learned}, tested on none", notes=self.notes)
        return Shown(
            title_of(self),
            f"{learned}, tested on {card.test_rows:,} of {card.test_leads:,} "
            f"({card.test_leads_converted:,})",
            facts=headline(card),
            notes=self.notes,
            figures=card_charts(card),
            tables=(
                figures_table(self.metrics, self.verdicts),
                table_of(self.candidates, "Candidates, judged out of fold"),
            ),
        )


def title_of(model: ModelRecord) -> str:
    """Name a model by its version and its project."""
    named = "Unregistered model" if model.version == UNREGISTERED else f"Model {model.version}"
    return f"{named} of {model.crm.name}"


def registry_of(crm: CrmProject) -> Registry:
    """Open the registry of a project; InputError where it has no state folder."""
    crm._require_state()
    return crm._session.registry
