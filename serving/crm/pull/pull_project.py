"""A project file -> what a pull needs of it: the project, a reader of its CRM, a folder."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from data.errors import InputError
from data.network import scheme_of
from data.project import load_project
from serving.crm.connector import Connector
from serving.crm.connectors import connect, connector_of
from serving.crm.crm_rows import Readable
from serving.crm.pull.pull_rows import Pulled, pull
from serving.crm.retries import RetryingCall

if TYPE_CHECKING:
    from data.schema import Project
    from data.schema_steps import WriteBackSection

Stage = Callable[[str], None]
_DEFAULTS: Final[Mapping[str, object]] = {
    "leads": {"source": "leads.parquet", "id": "lead_id", "created_at": "created_at"},
    "conversion": {"event": "conversion", "horizon": "90d"},
}
"""What a project file may leave out before there is any data."""


def load_for_pull(file: Path) -> Project:
    """Load a project file that may hold no more than the project's name and the CRM.

    Without [leads] rows go beside the file; afterwards `leadscore init` proposes what is missing.
    """
    try:
        sections = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        sections = dict(_DEFAULTS)  # load_project says what is wrong with the file
    return load_project(
        file, overrides={key: value for key, value in _DEFAULTS.items() if key not in sections}
    )


@contextmanager
def open_reader(
    project: Project, *, sleep: Callable[[float], None] = time.sleep
) -> Iterator[Readable]:
    """Open the CRM that [write_back] names, to read it; InputError where it is not pulled."""
    section = project.write_back
    connector = connector_of(section)
    if connector.read is None:
        raise InputError(
            f"{section.crm!r} is not pulled: leads and events are read from it directly",
            column="write_back.crm",
            cure=connector.instead_of_pull,
        )
    _check(section, connector)
    with closing(
        connect(section, Path(project.folder), project.network.allow, base=Path(project.folder))
    ) as crm:
        yield connector.read(crm, RetryingCall(section.requests_per_second, sleep=sleep))


def _check(section: WriteBackSection, connector: Connector[Any]) -> None:
    """Refuse a key other than the CRM's own id, and tables that are not pulled."""
    declared = section.model_fields_set
    if "key" in declared and section.key != connector.key:
        raise InputError(
            "pulled leads go by the CRM's own id",
            column="write_back.key",
            cure="leave it out",
        )
    if connector.pulled and "entity" in declared and section.entity not in connector.pulled:
        raise InputError(
            f"only {connector.pulled[0]!r} is pulled from {section.crm}, found {section.entity!r}",
            column="write_back.entity",
            cure="leave it out, and export other tables yourself",
        )


def pull_project(
    project: Project, folder: Path, *, now: int, as_of: int | None = None, on_stage: Stage
) -> Pulled:
    """Read what is new in the project's CRM into a folder; `now` is from before anything is read.

    Every ten thousand rows are reported, not every page: people read the log.
    """
    reported = 0

    def on_rows(rows: int) -> None:
        nonlocal reported
        if rows >= reported + 10_000:
            reported = rows
            on_stage(f"{rows:,} rows read")

    with open_reader(project) as crm:
        on_stage(f"reading {crm.origin}")
        return pull(crm, folder, now=now, as_of=as_of, on_rows=on_rows)


def pulls_from(project: Project) -> Path | None:
    """Find the folder that the project's leads are pulled into; None where they are not pulled."""
    section = project.write_back
    pulled = section.url is not None and connector_of(section).read is not None
    return home_of(project) if pulled else None


def folder_of(project: Project, out: Path | None) -> Path:
    """Find where pulled rows go: `out`, or where the project's leads.source is."""
    folder = home_of(project) if out is None else out
    if folder is None:
        raise InputError(
            "is no leads.parquet, so there is no folder to pull into",
            column="leads.source",
            cure='give --out FOLDER, or say source = "leads.parquet"',
        )
    return folder


def home_of(project: Project) -> Path | None:
    """Find where the project's leads.parquet is; None where its leads are something else."""
    source = project.leads.source
    local = scheme_of(source) == "" and project.leads.query is None
    if not local or Path(source).name != "leads.parquet":
        return None
    return (Path(project.folder) / source).parent
