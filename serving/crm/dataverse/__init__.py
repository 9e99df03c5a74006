"""Dynamics / Dataverse: columns of `lead`, or Dynamics' own table of predictive scores.

Contract-tested, not tested live.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from serving.crm.connector import Connector, Target

if TYPE_CHECKING:
    from serving.crm.dataverse.reader import DataverseReader
    from serving.crm.dataverse.writer import DataverseCrm
    from serving.crm.retries import RetryingCall

SCORE_TABLE: Final = "msdyn_predictivescore"


def _write(target: Target) -> DataverseCrm:
    if target.entity == SCORE_TABLE:
        from serving.crm.dataverse.score_table import PredictiveScoreCrm

        return PredictiveScoreCrm(target.url, target.allow, target.secret, override=target.override)
    from serving.crm.dataverse.writer import DataverseCrm

    return DataverseCrm(
        target.url,
        target.allow,
        target.secret,
        entity=target.entity,
        fields=target.fields,
        override=target.override,
    )


def _read(crm: DataverseCrm, ask: RetryingCall) -> DataverseReader:
    from serving.crm.dataverse.reader import DataverseReader

    return DataverseReader(crm.http, ask, score_fields=crm.score_fields)


CONNECTOR = Connector(
    name="dataverse",
    address="service",
    credentials="token",
    write=_write,
    read=_read,
    entity="lead",
    pulled=("lead", SCORE_TABLE),  # scores may go there; leads are pulled
    key="id",
    takes=("entity", "fields", "override", "credentials"),
)
