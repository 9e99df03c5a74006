"""The project file's [write_back] section -> a reader of that CRM, and the folder for its rows."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from data.errors import InputError
from data.network import scheme_of
from data.project import load_project
from serving.crm.connect import KINDS, connect
from serving.crm.dataverse import DataverseCrm
from serving.crm.hubspot import HubSpotCrm
from serving.crm.salesforce import SalesforceCrm
from serving.crm.seam import Crm
from serving.crm.tryton import TrytonCrm
from serving.reading.asking import Asker
from serving.reading.dataverse import DataverseReader
from serving.reading.hubspot import HubSpotReader
from serving.reading.salesforce import SalesforceReader
from serving.reading.source import Readable
from serving.reading.tryton import TrytonReader

if TYPE_CHECKING:
    from data.schema import Project, WriteBackSection

_CURES: Final = {
    "sqlite": 'name the table in the project file: source = "sqlite:///crm.sqlite"',
    "postgresql": 'name the table in the project file: source = "postgresql://…"',
    "mysql": 'name the table in the project file: source = "mysql://…"',
    "files": 'name the file in the project file: source = "leads.parquet"',
    "rest": "let your bridge write leads.parquet and events.parquet",
}
_ENTITIES: Final = {
    "hubspot": ("contacts",),
    "salesforce": ("Lead",),
    "dataverse": ("lead", "msdyn_predictivescore"),  # the latter holds scores of leads
}


_UNSAID: Final[Mapping[str, object]] = {
    "leads": {"source": "leads.parquet", "id": "lead_id", "created_at": "created_at"},
    "conversion": {"event": "conversion", "horizon": "90d"},
}
"""What a project file need not say before there is any data to look at."""


def load_for_pull(file: Path) -> Project:
    """Load a project file that may yet say nothing but who we are and where the CRM is.

    Without [leads] and [conversion] rows go beside the file; `leadscore init` proposes both then.
    """
    try:
        there = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        there = dict(_UNSAID)  # load_project says what is wrong with the file
    return load_project(
        file, overrides={key: value for key, value in _UNSAID.items() if key not in there}
    )


@contextmanager
def open_reader(
    project: Project, *, sleep: Callable[[float], None] = time.sleep
) -> Iterator[Readable]:
    """Open the CRM that [write_back] names, to read it; InputError where it is no such CRM."""
    section = project.write_back
    _check(section)
    crm = connect(section, Path(project.folder), project.network.allow)
    ask = Asker(section.requests_per_second, sleep=sleep)
    with closing(crm):
        yield _reader(crm, ask)


def _reader(crm: Crm, ask: Asker) -> Readable:
    if isinstance(crm, TrytonCrm):
        return TrytonReader(crm, ask)
    if isinstance(crm, SalesforceCrm):
        return SalesforceReader(crm.http, ask, ours=crm.ours)
    if isinstance(crm, HubSpotCrm):
        return HubSpotReader(crm.http, ask, ours=crm.ours)
    if isinstance(crm, DataverseCrm):
        return DataverseReader(crm.http, ask, ours=crm.ours)
    raise TypeError(f"no reader for {crm.name}")  # `_check` lets no other CRM through


def _check(section: WriteBackSection) -> None:
    """Refuse what is not pulled, or goes by other ids than pulled leads."""
    if section.crm in _CURES:
        raise InputError(
            f"{section.crm!r} is not pulled: leads and events are read from it directly",
            column="write_back.crm",
            cure=_CURES[section.crm],
        )
    if section.crm not in KINDS:
        return  # connect says so
    if "key" in section.model_fields_set and section.key != "id":
        raise InputError(
            "pulled leads go by the CRM's own id",
            column="write_back.key",
            cure="leave it out",
        )
    known = _ENTITIES.get(section.crm)
    if known and "entity" in section.model_fields_set and section.entity not in known:
        raise InputError(
            f"only {known[0]!r} is pulled from {section.crm}, found {section.entity!r}",
            column="write_back.entity",
            cure="leave it out, and export other tables yourself",
        )


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
