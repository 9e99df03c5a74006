"""Writes a model as a folder that stands alone: predictor source, LightGBM texts, JSON, manifest.

No pickle, no joblib: text and JSON, each file with its sha256 in `manifest.json`. Reading is the
predictor's own business (`models.predictor.read_artifact`); its errors become InputErrors here.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data.errors import InputError
from models import predictor
from models.predictor import FORMAT, MANIFEST, LeadScorer, ModelParts, PredictorError

PREDICTOR = Path(predictor.__file__)
LOADER = Path(__file__).with_name("pyfunc_model.py")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a folder holds: sha256 by file name; `version` is a hash over all of them."""

    files: Mapping[str, str]

    @property
    def version(self) -> str:
        """Name the model by its content: same seed, same version."""
        text = json.dumps(dict(sorted(self.files.items())))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def strip_parameters(text: str) -> str:
    """Leave out LightGBM's parameter block, which says how many threads were used."""
    head, mark, _ = text.partition("\nparameters:")
    return head + "\n" if mark else text


def write_artifact(
    parts: ModelParts,
    forest_text: Sequence[str],
    folder: str | Path,
    *,
    extra: Mapping[str, bytes | str] = {},
) -> Manifest:
    """Write the artifact folder at once (a new folder, renamed into place) and prove that it loads.

    `extra` are further files, for instance the feature catalogue or the facts table. Raises
    InputError where the parts do not make a model, or the folder is there and is no artifact.
    """
    target = Path(folder)
    if target.exists() and not (target / MANIFEST).is_file() and any(target.iterdir()):
        raise InputError("is not empty and holds no model", file=target.name)
    contents: dict[str, bytes] = {
        "parts.json": json.dumps(
            parts.to_json(), sort_keys=True, allow_nan=False, indent=1
        ).encode(),
        "predictor.py": PREDICTOR.read_bytes(),
    }
    for index, text in enumerate(forest_text):
        contents[f"forest_{index:03d}.txt"] = strip_parameters(text).encode()
    for name, content in extra.items():
        if name in contents or name == MANIFEST:
            raise InputError("is written by leadscore itself", file=name)
        contents[name] = content.encode() if isinstance(content, str) else content
    manifest = Manifest({name: hashlib.sha256(raw).hexdigest() for name, raw in contents.items()})
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        for name, raw in contents.items():
            (work / name).write_bytes(raw)
        listing = {"format": FORMAT, "version": manifest.version, "files": dict(manifest.files)}
        (work / MANIFEST).write_text(json.dumps(listing, sort_keys=True, indent=1))
        load_artifact(work)
        _replace_folder(work, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return manifest


def _replace_folder(work: Path, target: Path) -> None:
    """Put the new folder in place of the old one; a reader sees one or the other."""
    old = target.with_name(f".{target.name}-old-{os.getpid()}")
    work.chmod(0o755)
    if target.exists():
        target.rename(old)
    work.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def load_artifact(folder: str | Path, *, threads: int = 1) -> LeadScorer:
    """Load a model folder; what the predictor refuses becomes an InputError of one line."""
    try:
        return LeadScorer.load(folder, threads=threads)
    except (PredictorError, KeyError, TypeError, UnicodeDecodeError) as error:
        cause = f"the model lacks {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(
            cause, file=Path(folder).name, cure="train again, or take the model from the registry"
        ) from None


def read_extra(folder: str | Path, name: str) -> bytes:
    """Read one further file of a verified artifact; InputError where it has none of that name."""
    try:
        files = predictor.read_artifact(folder)
    except PredictorError as error:
        cure = "put the model's files back, promote another version, or train again"
        raise InputError(str(error), file=str(folder), cure=cure) from None
    if name not in files:
        raise InputError("is not in the artifact", file=name, cure="train again")
    if name.endswith(".json"):
        try:
            json.loads(files[name])
        except (ValueError, RecursionError) as error:
            deep = isinstance(error, RecursionError)
            cause = "is nested too deeply" if deep else f"is no valid JSON: {error}"
            raise InputError(cause, file=name, cure="train again") from None
    return files[name]
