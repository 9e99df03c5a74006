"""The state folder of a project: the paths of registry, scores, audits, reports and feedback."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # write-back finds its files without pandas
    from data.schema import Project


KEPT: Final = (
    "state.json",
    "night.json",
    "guard.json",
    "night.prom",
    "pages",
    "scores.parquet",
    "scores",
    "ledger*.sqlite",
    "dead_letter.jsonl",
    "crm.sqlite",
    "*.db",  # answers of reps, who saw which score; registry and artifacts come last
    "people.sqlite",
    "arms.csv",
    "api_keys.json",
    "audits",
    "mlflow.db",
    "mlartifacts",
)
"""What a backup holds, as patterns in the state folder, in the order in which it is copied: what
refers to something stands before it, so that a copy made while jobs run refers to nothing that it
lacks. Locks are not kept, nor reports, which `leadscore report` writes again."""


@dataclass(frozen=True, slots=True)
class StatePaths:
    """Paths below one folder; nothing is created before it is written."""

    folder: Path

    @classmethod
    def of(cls, project: Project, folder: Path | None = None) -> StatePaths:
        """Find the folder: the argument, the project file's `state`, or .leadscore/<name>."""
        if folder is not None:
            return cls(folder)
        if project.project.state is not None:
            return cls(Path(project.folder) / project.project.state)
        return cls(Path(".leadscore") / project.project.name)

    @property
    def registry(self) -> Path:
        """The SQLite file of MLflow's tracking store and model registry."""
        return self.folder / "mlflow.db"

    @property
    def artifacts(self) -> Path:
        """The folder of the artifacts that MLflow's runs log."""
        return self.folder / "mlartifacts"

    @property
    def runs(self) -> Path:
        """One folder per scoring run."""
        return self.folder / "scores"

    @property
    def scores(self) -> Path:
        """The newest run's scores."""
        return self.folder / "scores.parquet"

    @property
    def store(self) -> Path:
        """The folder of what was read from the sources; it can be built again at any time."""
        return self.folder / "store"

    def audit(self, version: str) -> Path:
        """The leak report of a registered version."""
        return self.folder / "audits" / f"{version}.json"

    @property
    def reports(self) -> Path:
        """The folder of the reports."""
        return self.folder / "report"

    @property
    def pages(self) -> Path:
        """The folder of the live pages: one folder per run, and which is the newest."""
        return self.folder / "pages"

    @property
    def feedback(self) -> Path:
        """The SQLite file of the feedback that sales reps gave."""
        return self.folder / "feedback.db"

    @property
    def people(self) -> Path:
        """The SQLite file of who may open the pages: users, sessions, audit."""
        return self.folder / "people.sqlite"

    @property
    def night(self) -> Path:
        """How far the newest night came: its moment, what is done, and when it retrained."""
        return self.folder / "night.json"

    @property
    def night_lock(self) -> Path:
        """The lock of `leadscore night`."""
        return self.folder / "night.lock"

    @property
    def publish_lock(self) -> Path:
        """The lock of the moment in which a model is judged and registered."""
        return self.folder / "publish.lock"

    @property
    def format(self) -> Path:
        """Which format the folder has."""
        return self.folder / "state.json"

    @property
    def upkeep_lock(self) -> Path:
        """The lock of a backup, of what erases and of what clears: one of them at a time."""
        return self.folder / "upkeep.lock"

    @property
    def parts(self) -> Path:
        """The parts of a run while they are scored; removed when they are put together."""
        return self.folder / "parts"

    @property
    def parts_lock(self) -> Path:
        """The lock of a run in parts."""
        return self.folder / "parts.lock"

    @property
    def night_metrics(self) -> Path:
        """The figures of the newest night for Prometheus."""
        return self.folder / "night.prom"
