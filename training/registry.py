"""Trained models -> MLflow runs, registered versions and the aliases champion and challenger.

The store is SQLite in the state folder by default; any tracking server works by its URI. A version
is looked up by number, by alias, or by the folder of its artifact; one that cannot be found is an
error, and no other version is given instead.
"""

from __future__ import annotations

import io
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from data.errors import InputError, OutsideError
from data.network import require_reachable
from data.private import without_password
from models.artifact import LOADER
from models.predictor import MANIFEST
from models.signature import ANYONE, Trust
from training.mlflow_loader import check_loader, content_of, note_loader, signature_of
from training.registry_tables import read_version
from training.state import StatePaths
from training.state_format import make_folder

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # only hosts that the user named
os.environ.setdefault("MLFLOW_ALLOW_HTTP_REDIRECTS", "false")  # and none that those point to
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient

CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
PREVIOUS: Final = "previous"
CHAMPIONS: Final = "champions"
"""The registered model's tag with the versions that were promoted, oldest first, each once; those
that were rolled back are not in it."""
URI_VARIABLES: Final = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
BOUND: Final = "signed_as"
"""The tag of a version with the signature that binds it to its content."""
ABSENT: Final = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""MLflow's error codes for a name, a version or an alias that does not exist."""
REQUIREMENTS: Final = ("lightgbm", "numba", "numpy", "pandas")


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One registered model: its number (or its folder's name), its folder and its tags."""

    version: str
    folder: Path
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Registry:
    """The MLflow operations that leadscore uses: register, find, promote, roll back, list.

    `trust` says how artifacts are signed when registered and checked when found. Hosts and buckets
    that `allow` does not name are refused; the store of a state folder needs no such permission.
    """

    uri: str
    name: str
    artifact_location: str | None = None
    trust: Trust = ANYONE
    allow: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        state: StatePaths,
        name: str,
        uri: str | None = None,
        *,
        trust: Trust = ANYONE,
        allow: tuple[str, ...] = (),
    ) -> Registry:
        """Open the SQLite store of a state folder, or the tracking server at `uri`."""
        if uri is not None:
            return cls(uri, name, trust=trust, allow=allow)
        make_folder(state)
        store = f"sqlite:///{state.registry.resolve()}"
        return cls(store, name, state.artifacts.resolve().as_uri(), trust, allow)

    def register(
        self,
        folder: Path,
        *,
        params: Mapping[str, object],
        metrics: Mapping[str, float],
        tags: dict[str, str],
        pages: Mapping[str, str],
        example: pd.DataFrame,
    ) -> ModelVersion:
        """Log one training run and register its artifact `folder` as a new version.

        `pages` are texts by file name (audit, leakage sheet, figures). `example` is a feature
        frame of made-up rows: it gives the signature and is not stored.
        """
        import mlflow

        note_loader(folder, LOADER)
        self.trust.sign(folder)
        with self._tracking() as client:
            with mlflow.start_run(experiment_id=self._experiment(client)):
                mlflow.log_params({key: str(value)[:500] for key, value in params.items()})
                mlflow.log_metrics(dict(metrics))
                for page, text in pages.items():
                    mlflow.log_text(text, page)
                with redirect_stderr(io.StringIO()):  # MLflow prints a line per version
                    info = mlflow.pyfunc.log_model(
                        name="model",
                        python_model=str(LOADER),
                        artifacts={"model": str(folder)},
                        signature=signature_of(example),
                        registered_model_name=self.name,
                        pip_requirements=list(REQUIREMENTS),
                    )
            version = str(info.registered_model_version)
            bound = self.trust.bind(self.name, version, folder)
            for key, value in (tags | ({BOUND: bound} if bound else {})).items():
                client.set_model_version_tag(self.name, version, key, value[:5000])
        return self.find(version)

    def find(self, reference: str) -> ModelVersion:
        """Resolve a version number, an alias or an artifact folder; OutsideError where absent.

        A number and `champion` are never folders: one of that name in the working directory would
        else be scored with. InputError where the artifact is not signed as `trust` demands, or is
        another version's.
        """
        return self._checked(self._find(reference))

    def _checked(self, version: ModelVersion) -> ModelVersion:
        """Check the signature, and that the files are those that were registered."""
        self.trust.check(version.folder)
        if not version.tags:  # a folder, or a version that was never finished
            return version
        if version.tags.get("content", content_of(version.folder)) != content_of(version.folder):
            raise InputError(
                f"holds another model than was registered as version {version.version}",
                file=MANIFEST,
                cure="put the files of that version back (leadscore restore), or promote another",
            )
        self.trust.check_bound(
            self.name, version.version, version.folder, version.tags.get(BOUND, "")
        )
        return version

    def _find(self, reference: str) -> ModelVersion:
        as_folder = Path(reference)
        registered = reference == CHAMPION or reference.isdecimal()
        if not registered and (as_folder / MANIFEST).is_file():
            return ModelVersion(as_folder.name, as_folder, {})
        if os.sep in reference:
            raise InputError("is no model artifact: manifest.json is not there", file=reference)
        return self._stored(reference) or self._ask_mlflow(reference)

    def _stored(self, reference: str) -> ModelVersion | None:
        """Read a version from the tables of an SQLite file; None where MLflow has to be asked."""
        scheme, _, file = self.uri.partition(":///")
        stored = read_version(Path(file), self.name, reference) if scheme == "sqlite" else None
        if stored is None:
            return None
        place = urlsplit(self._current_uri(stored.uri))
        root = Path(unquote(place.path))
        if place.scheme != "file" or place.netloc or not root.is_dir():
            return None
        return self._in_folder(root, stored.version, stored.tags)

    def _ask_mlflow(self, reference: str) -> ModelVersion:
        from mlflow.exceptions import MlflowException

        with self._tracking() as client:
            try:
                registered = (
                    client.get_model_version(self.name, reference)
                    if reference.isdecimal()
                    else client.get_model_version_by_alias(self.name, reference)
                )
            except MlflowException as error:
                if error.error_code not in ABSENT:
                    raise
                known = sorted((int(v.version) for v in _versions(client, self.name)), reverse=True)
                numbers = ", ".join(map(str, known[:10]))
                if reference == CHAMPION and numbers:
                    raise InputError(
                        f"no version of {self.name} is champion: none has passed the gate",
                        cure=f"look at version {known[0]} and make it champion by hand "
                        f"(leadscore promote PROJECT.toml {known[0]}), or give --model {known[0]}",
                    ) from error
                raise InputError(
                    f"the registry has no model {self.name}@{reference}",
                    cure=f"it has version {numbers}"
                    if numbers
                    else "train one first; a refused model is not kept",
                ) from error
            return self._download(client, registered)

    def champion(self) -> ModelVersion | None:
        """Find the champion, or None where there is none yet."""
        found = self._stored(CHAMPION)
        if found is None:
            with self._tracking() as client:
                if CHAMPION not in self._aliases(client):
                    return None
            found = self._ask_mlflow(CHAMPION)
        return self._checked(found)

    def promote(self, version: str) -> None:
        """Make `version` the champion; the one before it is remembered for `rollback`.

        InputError for a version that a training run left behind when it was killed.
        """
        with self._tracking() as client:
            if not client.get_model_version(self.name, version).tags:
                raise InputError(
                    f"version {version} was never finished: its training run was stopped",
                    cure="promote another version, or train again",
                )
            line = [each for each in self._champions(client) if each != version]
            self._crown(client, [*line, version])

    def challenge(self, version: str) -> None:
        """Give `version` the alias challenger."""
        with self._tracking() as client:
            client.set_registered_model_alias(self.name, CHALLENGER, version)

    def rollback(self) -> str:
        """Make the one promoted before the champion again; return its version.

        What was rolled back is no champion of before: a second time goes further back.
        """
        with self._tracking() as client:
            line = self._champions(client)[:-1]
            if not line:
                raise InputError(
                    "there is no earlier champion to go back to",
                    cure="promote the version that is wanted, by its number",
                )
            self._crown(client, line)
            return line[-1]

    def _champions(self, client: MlflowClient) -> list[str]:
        """List the champions, the present one last; of an older store, as far as aliases say."""
        aliases = self._aliases(client)
        if CHAMPION not in aliases:
            return []
        tags = client.get_registered_model(self.name).tags
        line, champion = tags.get(CHAMPIONS, aliases.get(PREVIOUS, "")).split(), aliases[CHAMPION]
        return [*(line[: line.index(champion)] if champion in line else line), champion]

    def _crown(self, client: MlflowClient, line: Sequence[str]) -> None:
        """Make the last of a line of champions the present one, and remember the line."""
        client.set_registered_model_alias(self.name, CHAMPION, line[-1])
        client.set_registered_model_tag(self.name, CHAMPIONS, " ".join(line))
        if len(line) > 1:
            client.set_registered_model_alias(self.name, PREVIOUS, line[-2])
        elif PREVIOUS in self._aliases(client):
            client.delete_registered_model_alias(self.name, PREVIOUS)

    def versions(self) -> list[tuple[str, dict[str, str], tuple[str, ...]]]:
        """List (version, tags, aliases), newest first."""
        with self._tracking() as client:
            aliases = self._aliases(client)
            registered = _versions(client, self.name)
        rows = [
            (
                str(item.version),
                dict(item.tags),
                tuple(alias for alias, version in aliases.items() if version == str(item.version)),
            )
            for item in registered
        ]
        return sorted(rows, key=lambda row: -int(row[0]))

    def running_runs(self) -> list[str]:
        """List the training runs that have not ended: alive, or killed."""
        with self._tracking() as client:
            experiment = client.get_experiment_by_name(self.name)
            if experiment is None:
                return []
            found = client.search_runs(
                [experiment.experiment_id], "attributes.status = 'RUNNING'", max_results=1000
            )
            return [str(run.info.run_id) for run in found]

    def remove_unfinished(self, versions: Sequence[str], runs: Sequence[str]) -> None:
        """Remove versions that a killed training left, and mark its runs as killed."""
        with self._tracking() as client:
            for version in versions:
                if not client.get_model_version(self.name, version).tags:
                    client.delete_model_version(self.name, version)
            for run in runs:
                client.set_terminated(run, "KILLED")

    def known_folders(self) -> set[str]:
        """Name the folders of artifacts that runs and models of the store have, of any project."""
        with self._tracking() as client:
            experiments = [each.experiment_id for each in client.search_experiments()]
            runs = client.search_runs(experiments, max_results=50_000)
            models = client.search_logged_models(experiments, max_results=1000)
            names = {str(run.info.run_id) for run in runs}
            names |= {str(model.model_id) for model in models}
            while models.token:
                models = client.search_logged_models(
                    experiments, max_results=1000, page_token=models.token
                )
                names |= {str(model.model_id) for model in models}
            return names

    def _experiment(self, client: MlflowClient) -> str:
        """Find or create the experiment of this name, and return its id.

        MLflow stores the path of an experiment's runs as an absolute one and never changes it. In
        a folder that was moved the earlier experiment keeps its runs under another name.
        """
        experiment = client.get_experiment_by_name(self.name)
        if experiment is not None:
            if self.artifact_location in (None, experiment.artifact_location):
                return str(experiment.experiment_id)
            number = experiment.experiment_id
            client.rename_experiment(number, f"{self.name}, moved from experiment {number}")
        return str(client.create_experiment(self.name, artifact_location=self.artifact_location))

    def _current_uri(self, uri: str) -> str:
        """Translate a path that the store holds from before the state folder was moved."""
        if self.artifact_location is None:
            return uri
        _, own, rest = uri.rpartition(f"/{PurePosixPath(self.artifact_location).name}/")
        return f"{self.artifact_location}/{rest}" if own else uri

    def _aliases(self, client: MlflowClient) -> dict[str, str]:
        from mlflow.exceptions import MlflowException

        try:
            model = client.get_registered_model(self.name)
        except MlflowException as error:
            if error.error_code not in ABSENT:
                raise  # a registry that does not answer must not be taken for an empty one
            return {}
        return {alias: str(version) for alias, version in model.aliases.items()}

    def _download(self, client: MlflowClient, registered: Any) -> ModelVersion:
        from mlflow.artifacts import download_artifacts

        uri = self._current_uri(
            client.get_model_version_download_uri(self.name, registered.version)
        )
        require_reachable(uri, self.allow)
        root = Path(download_artifacts(artifact_uri=uri, tracking_uri=self.uri))
        return self._in_folder(root, str(registered.version), dict(registered.tags))

    def _in_folder(self, root: Path, version: str, tags: Mapping[str, str]) -> ModelVersion:
        """Find the artifact in the folder of a version's MLflow model."""
        folders = sorted((root / "artifacts").glob("*/manifest.json"))
        if len(folders) != 1:
            raise OutsideError(f"model {self.name} version {version} has no artifact")
        check_loader(root, folders[0].parent)
        return ModelVersion(version, folders[0].parent, tags)

    @contextmanager
    def _tracking(self) -> Iterator[MlflowClient]:
        """Point MLflow's globals at this registry for the length of the block."""
        require_reachable(self.uri, self.allow)
        import mlflow
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        for logger in ("mlflow", "alembic"):
            logging.getLogger(logger).setLevel(logging.CRITICAL)  # errors are raised below
        before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
        environment = {name: os.environ.get(name) for name in URI_VARIABLES}
        mlflow.set_tracking_uri(self.uri)
        mlflow.set_registry_uri(self.uri)
        try:
            with warnings.catch_warnings():  # MLflow asks for type hints; we pass a signature
                warnings.simplefilter("ignore")
                yield MlflowClient(self.uri, self.uri)
        except (SQLAlchemyError, MlflowException, OSError) as error:
            # without the statement, its parameters and the link that SQLAlchemy adds
            message = without_password(str(error).partition("[SQL:")[0].strip(), self.uri)
            raise OutsideError(
                f"the model registry does not answer: {type(error).__name__}: {message}",
                cure="look at the tracking URI and the state folder",
            ) from error
        finally:
            mlflow.set_tracking_uri(before[0])
            mlflow.set_registry_uri(before[1])
            for name, value in environment.items():  # MLflow sets them for child processes
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def _versions(client: MlflowClient, name: str) -> list[Any]:
    return list(client.search_model_versions(f"name = '{name}'"))
