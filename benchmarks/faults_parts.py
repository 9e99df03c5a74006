"""Finished parts of the fault proofs, kept as JSON, so that a long proof can be run in parts."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
PROVED: Final = (
    "serving/writeback/*.py",
    "serving/crm/rest/writer.py",
    "serving/crm/http.py",
    "serving/crm/interface.py",
    "serving/crm/retries.py",
    "serving/crm/credentials.py",
    "data/network.py",
    "tests/fakes/crm_server.py",
    "tests/fakes/faults_run.py",
    "tests/fakes/faults_check.py",
    "tests/fakes/faults_schedules.py",
)
"""What a finished part speaks of: when any of these changes, it is played again."""


class Parts:
    """A folder of finished parts; without a folder every part is played."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder / _fingerprint() if folder else None
        if self._folder:
            self._folder.mkdir(parents=True, exist_ok=True)

    def done(self, name: str) -> Any | None:
        """Give what a part found, or None where it is still to be played."""
        path = self._folder / f"{name}.json" if self._folder else None
        return json.loads(path.read_text()) if path and path.exists() else None

    def play(self, name: str, part: Callable[..., Any], *arguments: Any) -> Any:
        """Play a part and keep what it found; runs in the worker, so that a stop loses little."""
        result = part(*arguments)
        if self._folder:
            draft = self._folder / f".{name}.part"
            draft.write_text(json.dumps(result))
            draft.replace(self._folder / f"{name}.json")
        return result


def _fingerprint() -> str:
    digest = sha256()
    for pattern in PROVED:
        for path in sorted(ROOT.glob(pattern)):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]
