"""What MLflow wraps around an artifact: its signature, and the module that it would execute.

leadscore never executes it; `mlflow.pyfunc.load_model` does, in another program, before anything
could be compared. So the manifest holds its hash, which the signature covers, and every look-up of
a version compares.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from data.errors import InputError
from data.files import write_text
from models.artifact import Manifest
from models.predictor import MANIFEST, PredictorError, parse_json
from models.signature import LOADER_HASH

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.models import ModelSignature

_MODULE: Final = "mlflow.pyfunc.loaders.code_model"
_CURE: Final = "put the files of that version back (leadscore restore), or train again"


def signature_of(example: pd.DataFrame) -> ModelSignature:
    """Say what a model reads: numbers, and for words any dtype that holds them, categories too."""
    from mlflow.models import ModelSignature, infer_signature
    from mlflow.types import ColSpec, DataType, Schema
    from mlflow.types.schema import AnyType

    inferred = infer_signature(example).inputs.inputs
    anything: Any = AnyType()  # type: ignore[no-untyped-call]
    words = [anything if each.type == DataType.string else each.type for each in inferred]
    names = [each.name for each in inferred]
    return ModelSignature(Schema([ColSpec(t, name) for t, name in zip(words, names, strict=True)]))


def note_loader(folder: Path, loader: Path) -> None:
    """Put the hash of MLflow's loader into the manifest of an artifact."""
    manifest = _manifest(folder)
    manifest[LOADER_HASH] = hashlib.sha256(loader.read_bytes()).hexdigest()
    write_text(folder / MANIFEST, json.dumps(manifest, sort_keys=True, indent=1))


def content_of(folder: Path) -> str:
    """Name the content that a manifest promises, as `Manifest.version` does."""
    return Manifest(dict(_manifest(folder).get("files", {}))).version


def check_loader(root: Path, artifact: Path) -> None:
    """Raise InputError where MLflow would execute other code than was registered.

    `root` is the folder of an MLflow model. Nothing is promised by what was registered before the
    manifest held the hash.
    """
    promised = _manifest(artifact).get(LOADER_HASH)
    if promised is None:
        return
    import yaml

    safe = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        described = yaml.load((root / "MLmodel").read_text(encoding="utf-8"), Loader=safe)
        flavour = described["flavors"]["python_function"]
        code = root / Path(str(flavour["model_code_path"])).name
        given = hashlib.sha256(code.read_bytes()).hexdigest()
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        raise InputError("is no description of a model", file="MLmodel", cure=_CURE) from None
    if given != promised:
        raise InputError("does not match the sha256 in manifest.json", file=code.name, cure=_CURE)
    if flavour.get("loader_module") != _MODULE or flavour.get("code"):
        raise InputError("names another loader than was registered", file="MLmodel", cure=_CURE)
    if others := set(described["flavors"]) - {"python_function"}:
        raise InputError(
            f"names a flavour that was not registered: {sorted(others)[0]!r}",
            file="MLmodel",
            cure=_CURE,
        )


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        return parse_json((folder / MANIFEST).read_bytes())
    except (OSError, PredictorError) as error:
        raise InputError(f"cannot be read: {error}", file=MANIFEST, cure=_CURE) from None
