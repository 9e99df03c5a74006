"""Tryton over its JSON-RPC. Tested against a real Tryton 8.2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serving.crm.connector import Connector, Target

if TYPE_CHECKING:
    from serving.crm.retries import RetryingCall
    from serving.crm.tryton.reader import TrytonReader
    from serving.crm.tryton.writer import TrytonCrm


def _write(target: Target) -> TrytonCrm:
    from serving.crm.tryton.writer import TrytonCrm

    return TrytonCrm(
        target.url,
        target.allow,
        target.login,
        key=target.key,
        fields=target.fields,
        override=target.override,
    )


def _read(crm: TrytonCrm, ask: RetryingCall) -> TrytonReader:
    from serving.crm.tryton.reader import TrytonReader

    return TrytonReader(crm, ask)


CONNECTOR = Connector(
    name="tryton",
    address="service",
    credentials="login",
    write=_write,
    read=_read,
    key="id",
    takes=("key", "fields", "override", "credentials"),
)
