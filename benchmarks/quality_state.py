"""Measurements by name -> arrays in a folder, so that a run that was cut off loses nothing.

What depends on our own fits lies under a hash of their code: after a change it is measured anew,
while the peers' predictions stay.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

MODELS = Path(__file__).parent.parent / "models"
Measurement = dict[str, Any]
"""Arrays, numbers and strings of one measurement."""


def code_hash() -> str:
    """Hash the code that our figures depend on."""
    digest = hashlib.sha256()
    for file in sorted([*MODELS.glob("*.py"), *(MODELS / "fit").glob("*.py")]):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class State:
    """A folder of measurements; `ours` is the part of it that belongs to the code as it is."""

    folder: Path

    @property
    def ours(self) -> Path:
        return self.folder / f"ours-{code_hash()}"

    def keep(self, name: str, measure: Callable[[], Measurement]) -> Measurement:
        """Read a measurement of our own, or make and keep it."""
        file = self.ours / f"{name}.npz"
        if not file.exists():
            write(file, measure())
        return read(file)


def write(file: Path, arrays: Mapping[str, Any]) -> None:
    """Write at once: a file is there whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f"{file.stem}.partial.npz")
    np.savez(partial, **arrays)
    partial.replace(file)


def read(file: Path) -> Measurement:
    """Read arrays; those of one element come back as plain numbers and strings."""
    with np.load(file, allow_pickle=False) as arrays:
        return {
            name: arrays[name].item() if not arrays[name].shape else arrays[name]
            for name in arrays.files
        }
