"""Salesforce: collections for few rows, Bulk API 2.0 for many. Contract-tested, not tested live."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import httpx

from serving.crm.http import Http, failure, failure_text, parse, retry_after
from serving.crm.interface import CrmError, Refused, Remote, Unsure, Update, WriteAnswer
from serving.crm.score_columns import checked_fields, incoming, is_set, outgoing

VERSION: Final = "/services/data/v62.0"
_COLLECTION: Final = 200
_LONGEST_JOB_S: Final = 1200.0  # waited for; one that is stuck must not hold the night
_GONE: Final = ("ENTITY_IS_DELETED", "NOT_FOUND", "INVALID_CROSS_REFERENCE_KEY")
_MOVED: Final = ("UNABLE_TO_LOCK_ROW", "REQUEST_LIMIT_EXCEEDED", "SERVER_UNAVAILABLE")


class SalesforceCrm:
    """Scores are custom fields of Lead; rows are sorted by id, which orders the locks."""

    name = "salesforce"
    batch_limit = 10_000
    conditional = False
    metered = True
    inserts = False

    def __init__(
        self,
        url: str,
        allow: Sequence[str],
        secret: str,
        *,
        entity: str = "Lead",
        fields: Mapping[str, str] | None = None,
        override: str | None = None,
        sleep: Callable[[float], None],
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._secret, self._entity, self._override = secret, entity, override
        self._fields = {
            field: name if fields else f"{name}__c"
            for field, name in checked_fields(fields).items()
        }
        self._sleep = sleep
        self.http = Http(url, allow, login=self._login, timeout_s=60.0, transport=transport)

    def _login(self, http: Http) -> Mapping[str, str]:
        """Take the token as it is, or get one for `client id:client secret`."""
        client, mark, password = self._secret.partition(":")
        if not mark:
            return {"Authorization": f"Bearer {self._secret}"}
        form = {
            "grant_type": "client_credentials",
            "client_id": client,
            "client_secret": password,
        }
        token = parse(http.raw("POST", "/services/oauth2/token", None, {}, form))["access_token"]
        return {"Authorization": f"Bearer {token}"}

    def read_scores(self, leads: Sequence[str]) -> dict[str, Remote]:
        """Read our fields by id, 200 a request; null stands for a deleted lead."""
        names = ["Id", "IsConverted", "SystemModstamp", *self._fields.values()]
        names += [self._override] if self._override else []
        remotes: dict[str, Remote] = {}
        for start in range(0, len(leads), _COLLECTION):
            some = list(leads[start : start + _COLLECTION])
            path = f"{VERSION}/composite/sobjects/{self._entity}"
            rows = self.http.post(path, {"ids": some, "fields": names})
            if not isinstance(rows, list):
                raise Unsure("an answer that is no list")
            for lead, row in zip(some, rows, strict=False):
                if row is not None and str(row.get("Id", ""))[:15] == lead[:15]:
                    remotes[lead] = self._remote(row)
        return remotes

    def upsert(self, batch: Sequence[Update]) -> list[WriteAnswer]:
        """Update by id: one collection, or one bulk job with its three lists of results."""
        return self._collection(batch) if len(batch) <= _COLLECTION else self._bulk(batch)

    def _collection(self, batch: Sequence[Update]) -> list[WriteAnswer]:
        records = [
            {
                "attributes": {"type": self._entity},
                "id": each.lead,
                **outgoing(each.values, self._fields),
            }
            for each in batch
        ]
        body = {"allOrNone": False, "records": records}
        rows = self.http.ask("PATCH", f"{VERSION}/composite/sobjects", body)
        if not isinstance(rows, list) or len(rows) != len(batch):
            raise Unsure("results that do not match the rows sent")
        return [_answer(each.lead, row) for each, row in zip(batch, rows, strict=True)]

    def _bulk(self, batch: Sequence[Update]) -> list[WriteAnswer]:
        job = {
            "object": self._entity,
            "operation": "update",
            "contentType": "CSV",
            "lineEnding": "LF",
        }
        path = f"{VERSION}/jobs/ingest/{self.http.post(f'{VERSION}/jobs/ingest', job)['id']}"
        self._text("PUT", f"{path}/batches", self._csv(batch))
        self.http.ask("PATCH", path, {"state": "UploadComplete"})
        try:
            state = self._state_at_end(path)
        except BaseException:
            with suppress(CrmError):  # left alone, it may write old scores some day
                self.http.ask("PATCH", path, {"state": "Aborted"})
            raise
        if state != "JobComplete":
            raise Refused(f"the bulk job ended as {state}")
        done = self._rows(f"{path}/successfulResults")
        failed = self._rows(f"{path}/failedResults")
        answers = [WriteAnswer(row["sf__Id"], "written") for row in done]
        # What was not processed has no answer, and is read again like everything unanswered.
        return answers + [_failed(row["Id"], row.get("sf__Error", "")) for row in failed]

    def _state_at_end(self, path: str) -> str:
        """Wait until a job has ended."""
        state, wait, waited = "", 1.0, 0.0
        while state not in ("JobComplete", "Failed", "Aborted"):
            if waited >= _LONGEST_JOB_S:
                raise Unsure(f"a bulk job is {state} after {waited / 60:.0f} minutes")
            self._sleep(wait)
            waited, wait = waited + wait, min(wait * 1.5, 20.0)
            state = self.http.ask("GET", path)["state"]
        return state

    def _text(self, method: str, path: str, body: str | None) -> str:
        headers = {**self.http.headers(), "Content-Type": "text/csv; charset=UTF-8"}
        answer = self.http.raw(method, path, body, headers)
        if not 200 <= answer.status_code < 300:
            raise failure(answer.status_code, failure_text(answer), retry_after(answer.headers))
        return answer.text

    def _rows(self, path: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self._text("GET", path, None))))

    def _csv(self, batch: Sequence[Update]) -> str:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["Id", *self._fields.values()])
        for each in batch:
            values = outgoing(each.values, self._fields)
            writer.writerow([each.lead, *("#N/A" if v is None else v for v in values.values())])
        return out.getvalue()

    @property
    def score_fields(self) -> frozenset[str]:
        """Name the fields that hold scores, as the CRM calls them."""
        return frozenset([*self._fields.values(), *([self._override] if self._override else [])])

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    def _remote(self, row: Mapping[str, Any]) -> Remote:
        values = incoming(row, self._fields)
        override = bool(self._override and is_set(row.get(self._override)))
        return Remote(
            values, row.get("SystemModstamp"), override, closed=bool(row.get("IsConverted"))
        )


def _answer(lead: str, row: Mapping[str, Any]) -> WriteAnswer:
    if row.get("success"):
        return WriteAnswer(lead, "written")
    errors = row.get("errors") or [{}]
    return _failed(lead, f"{errors[0].get('statusCode', '')}:{errors[0].get('message', '')}")


def _failed(lead: str, cause: str) -> WriteAnswer:
    code = cause.partition(":")[0]
    if code in _GONE:
        return WriteAnswer(lead, "gone", error=cause[:200])
    return WriteAnswer(lead, "conflict" if code in _MOVED else "rejected", error=cause[:200])
