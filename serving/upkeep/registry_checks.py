"""The registry, looked over: the champion loads, versions are whole, what killed runs left."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from data.clock import DAY
from data.errors import LeadScoreError, OutsideError
from models.artifact import load_artifact
from serving.session import Session
from serving.upkeep.findings import Finding
from training.registry import CHAMPION, Registry
from training.state import StatePaths

_RESTORE: Final = "leadscore restore, promote another version, or train again"


def check_registry(session: Session, at: int) -> Iterator[Finding]:
    """Look at the champion, every version with a name, and what killed trainings left."""
    if session.tracking is None and not session.state.registry.is_file():
        yield Finding("registry", "advice", "no model yet", "leadscore train")
        return
    registry = session.registry
    listed = registry.versions()
    named = {alias: version for version, _, aliases in listed for alias in aliases}
    if CHAMPION not in named:
        yield Finding("registry", "wrong", "no version is champion", "leadscore promote, or train")
    for alias, version in named.items():
        try:
            load_artifact(registry.find(version).folder)
        except LeadScoreError as error:
            words = f"version {version} ({alias}) cannot be loaded: {error}"
            yield Finding("registry", "wrong", words, _RESTORE)
        else:
            words = f"version {version} is {alias} and loads, every hash is right"
            yield Finding("registry", "fine", words)
    unfinished = [version for version, tags, _ in listed if not tags]
    running = registry.running_runs()
    if unfinished or running:
        yield _unfinished(session, registry, unfinished, running)
    yield from _orphans(session.state, registry, at)


def _unfinished(
    session: Session, registry: Registry, versions: list[str], runs: list[str]
) -> Finding:
    """Judge versions and runs without an end: killed, unless a training registers right now."""
    what = " and ".join(
        f"{len(names)} {kind}{'s' * (len(names) != 1)}"
        for kind, names in (("version", versions), ("run", runs))
        if names
    )
    if session.tracking is not None:  # another machine may be training
        cure = "if no training runs anywhere, remove them in MLflow"
        return Finding("registry", "advice", f"{what} not finished", cure)

    def remove() -> str:
        with _no_training(session.state):
            registry.remove_unfinished(versions, runs)
        return f"{what} of killed trainings: versions removed, runs marked as killed"

    try:
        with _no_training(session.state):
            pass
    except OutsideError:
        return Finding("registry", "fine", f"{what} not finished: a training registers right now")
    words = f"{what} left by a killed training"
    return Finding("registry", "advice", words, "leadscore doctor --fix", remove)


def _orphans(state: StatePaths, registry: Registry, at: int) -> Iterator[Finding]:
    """Find folders of artifacts that the registry does not know, older than a day."""
    if not state.artifacts.is_dir() or not state.registry.is_file():
        return
    known = registry.known_folders()
    folders = [*state.artifacts.glob("*"), *(state.artifacts / "models").glob("*")]
    lost = [
        path
        for path in folders
        if path.is_dir()
        and path.name != "models"
        and path.name not in known
        and at - path.stat().st_mtime_ns // 1_000 > DAY
    ]
    if lost:
        yield Finding(
            "registry",
            "advice",
            f"{len(lost)} folders of artifacts that no version or run names",
            "leadscore doctor --fix removes them",
            lambda: f"{_remove(lost)} folders of artifacts removed",
        )


def _remove(folders: list[Path]) -> int:
    for folder in folders:
        shutil.rmtree(folder)
    return len(folders)


@contextmanager
def _no_training(state: StatePaths) -> Iterator[None]:
    """Hold the lock of publishing; OutsideError where a training holds it."""
    lock = FileLock(state.publish_lock, blocking=False)
    try:
        lock.acquire()
    except Timeout:
        raise OutsideError("a training registers right now", cure="run again later") from None
    try:
        yield
    finally:
        lock.release()
