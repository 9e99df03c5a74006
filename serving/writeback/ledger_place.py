"""A project -> where its ledger lies, the store opened there, and what its CRM is called in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from data.network import require_allowed
from serving.crm.credentials import with_credentials
from serving.writeback.ledger_store import Store, open_store
from serving.writeback.ledger_tables import lay_out

if TYPE_CHECKING:
    from data.schema import Project
    from data.schema_steps import WriteBackSection


def ledger_place(project: Project, state: Path) -> str | Path:
    """Tell where the ledger lies: a file, or an address of PostgreSQL on an allowed host.

    A relative path starts at the project file. The password comes from libpq's own variables
    (PGPASSWORD).
    """
    where = project.write_back.ledger
    if where is not None and "://" in where:
        return require_allowed(with_credentials(where, None), project.network.allow)
    return state / "ledger.sqlite" if where is None else Path(project.folder) / where


def open_ledger(place: str | Path) -> Store | None:
    """Open the ledger that lies at a place; None where it is a file and nothing was sent yet."""
    if isinstance(place, Path) and not place.is_file():
        return None
    store = open_store(place)
    try:
        lay_out(store)
    except BaseException:
        store.close()
        raise
    return store


def crm_name(section: WriteBackSection) -> str:
    """Name the CRM in the ledger: the kind, where it is, which table; without credentials."""
    where = [section.url.rpartition("@")[2]] if section.url else []
    table = [section.entity] if "entity" in section.model_fields_set else []
    return " ".join([section.crm, *where, *table])
