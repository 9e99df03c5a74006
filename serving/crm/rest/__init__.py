"""A small JSON protocol, for CRMs behind a bridge of the company's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serving.crm.connector import Connector, Target

if TYPE_CHECKING:
    from serving.crm.rest.writer import RestCrm


def _write(target: Target) -> RestCrm:
    from serving.crm.rest.writer import RestCrm

    return RestCrm(target.url, target.allow, target.login, fields=target.fields)


CONNECTOR = Connector(
    name="rest",
    address="service",
    credentials="login",
    write=_write,
    instead_of_pull="let your bridge write leads.parquet and events.parquet",
    takes=("fields", "credentials"),
)
