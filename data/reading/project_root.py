"""Where the files of a project may lie: anywhere, or below `[project] root` alone."""

from __future__ import annotations

import os
from pathlib import Path

from data.errors import InputError
from data.network import scheme_of
from data.project import sources_of
from data.schema import Project


def refuse_outside(path: Path, project: Project, source: str) -> Path:
    """Give a path back; InputError where a root is set and the file, links followed, is outside."""
    root = project.project.root
    if root is not None and not _is_below(path, Path(project.folder, root)):
        raise InputError(
            f"lies outside of [project] root ({root})",
            file=source,
            cure="put the file below it, or take `root` out of the project file",
        )
    return path


def outside_sources(project: Project) -> list[str]:
    """Name the files outside of the project file's folder, a sentence for all; none with a root."""
    if project.project.root is not None:
        return []
    outside = [
        f"{key} ({source})"
        for key, source in sources_of(project)
        if not scheme_of(source)
        and not _is_below(Path(project.folder, source), Path(project.folder))
    ]
    if not outside:
        return []
    more = f" and {len(outside) - 3} more" if len(outside) > 3 else ""
    return [
        f"read from outside the folder of the project file: {', '.join(outside[:3])}{more}; "
        "[project] root names the one folder that may be read"
    ]


def _is_below(path: Path, folder: Path) -> bool:
    real, root = os.path.realpath(path), os.path.realpath(folder)
    return os.path.commonpath([real, root]) == root
