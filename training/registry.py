"""Trained models -> MLflow runs, registered versions and the aliases champion and challenger.

The store is SQLite in the state folder by default; any tracking server works by its URI. A version
is looked up by number, by alias, or by the folder of its artifact; when it can't be found the
answer is an error, never another version.
"""

from __future__ import annotations

import io
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from data.errors import InputError, OutsideError
from data.network import require_reachable
from data.private import without_password
from models.artifact import LOADER
from models.signature import ANYONE, Trust
from training.state import StatePaths

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # the product talks to no one unasked
os.environ.setdefault("MLFLOW_ALLOW_HTTP_REDIRECTS", "false")  # a named host stays that host
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient

CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
PREVIOUS: Final = "previous"
URI_VARIABLES: Final = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
ABSENT: Final = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""What MLflow answers for a name, a version or an alias that is not there."""
REQUIREMENTS: Final = ("lightgbm", "numba", "numpy", "pandas")


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One registered model: its number (or the folder's name), where it lies, what is known."""

    version: str
    folder: Path
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Registry:
    """MLflow behind five verbs: register, find, promote, roll back, list.

    What is registered is signed, what is found is checked, as `trust` has it. Hosts and buckets
    that `allow` does not name are not reached; the store of a state folder is no host.
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
        state.folder.mkdir(parents=True, exist_ok=True)
        store = f"sqlite:///{state.registry.resolve()}"
        return cls(store, name, state.artifacts.resolve().as_uri(), trust, allow)

    def register(
        self,
        folder: Path,
        *,
        params: Mapping[str, object],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        pages: Mapping[str, str],
        example: pd.DataFrame,
    ) -> ModelVersion:
        """Log one training run and register its artifact `folder` as a new version.

        `pages` are texts by file name (audit, leakage sheet, figures). `example` is a feature
        frame of made-up rows: it gives the signature and is not stored.
        """
        import mlflow
        from mlflow.models import ModelSignature, infer_signature

        self.trust.sign(folder)
        with self._tracking() as client:
            with mlflow.start_run(experiment_id=self._experiment(client)):
                mlflow.log_params({key: str(value)[:500] for key, value in params.items()})
                mlflow.log_metrics(dict(metrics))
                for page, text in pages.items():
                    mlflow.log_text(text, page)
                signature: ModelSignature = infer_signature(example)
                with redirect_stderr(io.StringIO()):  # MLflow greets each new version there
                    info = mlflow.pyfunc.log_model(
                        name="model",
                        python_model=str(LOADER),
                        artifacts={"model": str(folder)},
                        signature=signature,
                        registered_model_name=self.name,
                        pip_requirements=list(REQUIREMENTS),
                    )
            version = str(info.registered_model_version)
            for key, value in tags.items():
                client.set_model_version_tag(self.name, version, key, value[:5000])
        return self.find(version)

    def find(self, reference: str) -> ModelVersion:
        """Resolve a version number, an alias or an artifact folder; OutsideError where absent.

        InputError where the artifact is not signed as `trust` demands.
        """
        found = self._find(reference)
        self.trust.check(found.folder)
        return found

    def _find(self, reference: str) -> ModelVersion:
        as_folder = Path(reference)
        if (as_folder / "manifest.json").is_file():
            return ModelVersion(as_folder.name, as_folder, {})
        if os.sep in reference:
            raise InputError("is no model artifact: manifest.json is not there", file=reference)
        from mlflow.exceptions import MlflowException

        with self._tracking() as client:
            try:
                found = (
                    client.get_model_version(self.name, reference)
                    if reference.isdigit()
                    else client.get_model_version_by_alias(self.name, reference)
                )
            except MlflowException as error:
                if error.error_code not in ABSENT:
                    raise
                known = sorted((int(v.version) for v in _versions(client, self.name)), reverse=True)
                there = ", ".join(map(str, known[:10]))
                raise OutsideError(
                    f"the registry has no model {self.name}@{reference}",
                    cure=f"it has version {there}"
                    if there
                    else "train one: leadscore train PROJECT.toml; a refused model is not kept",
                ) from error
            return self._located(client, found)

    def champion(self) -> ModelVersion | None:
        """Give the champion, or None where there is none yet."""
        with self._tracking() as client:
            aliases = self._aliases(client)
        return self.find(aliases[CHAMPION]) if CHAMPION in aliases else None

    def promote(self, version: str) -> None:
        """Make `version` the champion; the one before it is remembered for `rollback`."""
        with self._tracking() as client:
            before = self._aliases(client).get(CHAMPION)
            if before is not None and before != version:
                client.set_registered_model_alias(self.name, PREVIOUS, before)
            client.set_registered_model_alias(self.name, CHAMPION, version)

    def challenge(self, version: str) -> None:
        """Let `version` stand as challenger."""
        with self._tracking() as client:
            client.set_registered_model_alias(self.name, CHALLENGER, version)

    def rollback(self) -> str:
        """Swap champion and previous champion; give the version that now scores."""
        with self._tracking() as client:
            aliases = self._aliases(client)
            if PREVIOUS not in aliases or CHAMPION not in aliases:
                raise OutsideError("there is no earlier champion to go back to")
            client.set_registered_model_alias(self.name, CHAMPION, aliases[PREVIOUS])
            client.set_registered_model_alias(self.name, PREVIOUS, aliases[CHAMPION])
            return str(aliases[PREVIOUS])

    def versions(self) -> list[tuple[str, dict[str, str], tuple[str, ...]]]:
        """List (version, tags, aliases), newest first."""
        with self._tracking() as client:
            aliases = self._aliases(client)
            found = _versions(client, self.name)
        rows = [
            (
                str(item.version),
                dict(item.tags),
                tuple(alias for alias, version in aliases.items() if version == str(item.version)),
            )
            for item in found
        ]
        return sorted(rows, key=lambda row: -int(row[0]))

    def _experiment(self, client: MlflowClient) -> str:
        """Find the experiment of this name or make it: its id.

        MLflow writes where an experiment's runs go as an absolute path, for ever. In a folder that
        was moved the earlier experiment keeps its runs under another name.
        """
        found = client.get_experiment_by_name(self.name)
        if found is not None and self.artifact_location in (None, found.artifact_location):
            return str(found.experiment_id)
        if found is not None:
            number = found.experiment_id
            client.rename_experiment(number, f"{self.name}, moved from experiment {number}")
        return str(client.create_experiment(self.name, artifact_location=self.artifact_location))

    def _here(self, uri: str) -> str:
        """Find in the state folder what its store has under the folder's earlier place."""
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
                raise  # a registry that does not answer is not an empty one
            return {}
        return {alias: str(version) for alias, version in model.aliases.items()}

    def _located(self, client: MlflowClient, found: Any) -> ModelVersion:
        from mlflow.artifacts import download_artifacts

        uri = self._here(client.get_model_version_download_uri(self.name, found.version))
        require_reachable(uri, self.allow)
        root = Path(download_artifacts(artifact_uri=uri, tracking_uri=self.uri))
        folders = sorted((root / "artifacts").glob("*/manifest.json"))
        if len(folders) != 1:
            raise OutsideError(f"model {self.name} version {found.version} has no artifact")
        return ModelVersion(str(found.version), folders[0].parent, dict(found.tags))

    @contextmanager
    def _tracking(self) -> Iterator[MlflowClient]:
        """Point MLflow's globals at this registry for the length of the block."""
        require_reachable(self.uri, self.allow)
        import mlflow
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        for chatty in ("mlflow", "alembic"):
            logging.getLogger(chatty).setLevel(logging.CRITICAL)  # what is raised is told
        before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
        environment = {name: os.environ.get(name) for name in URI_VARIABLES}
        mlflow.set_tracking_uri(self.uri)
        mlflow.set_registry_uri(self.uri)
        try:
            with warnings.catch_warnings():  # MLflow advises on type hints that we give otherwise
                warnings.simplefilter("ignore")
                yield MlflowClient(self.uri, self.uri)
        except (SQLAlchemyError, MlflowException, OSError) as error:
            # without the statement, its parameters and the link that SQLAlchemy adds
            said = without_password(str(error).partition("[SQL:")[0].strip(), self.uri)
            raise OutsideError(
                f"the model registry does not answer: {type(error).__name__}: {said}",
                cure="look at the tracking URI and the state folder",
            ) from error
        finally:
            mlflow.set_tracking_uri(before[0])
            mlflow.set_registry_uri(before[1])
            for name, value in environment.items():  # MLflow writes them, children would inherit
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def _versions(client: MlflowClient, name: str) -> list[Any]:
    return list(client.search_model_versions(f"name = '{name}'"))
