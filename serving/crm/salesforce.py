"""Salesforce: collections for few rows, Bulk API 2.0 for many. Contract-tested, not tested live."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import httpx

from serving.crm.columns import decode, in_text, matched, time_of, to_iso
from serving.crm.http import Http, failure, parse, retry_after, said
from serving.crm.identifiers import quote
from serving.crm.seam import Answer, Page, Refused, Remote, Unsure, Update, Value

_VERSION: Final = "/services/data/v62.0"
_COLLECTION: Final = 200
_GONE: Final = ("ENTITY_IS_DELETED", "NOT_FOUND", "INVALID_CROSS_REFERENCE_KEY")
_MOVED: Final = ("UNABLE_TO_LOCK_ROW", "REQUEST_LIMIT_EXCEEDED", "SERVER_UNAVAILABLE")


class SalesforceCrm:
    """Scores are custom fields of Lead; rows are sorted by id, so that locks meet in order."""

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
        sleep: Callable[[float], None] = time.sleep,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._secret, self._entity, self._override = secret, entity, override
        self._fields = {
            mine: theirs if fields else f"{theirs}__c" for mine, theirs in matched(fields).items()
        }
        self._sleep = sleep
        self._http = Http(url, allow, login=self._login, timeout_s=60.0, transport=transport)

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
        found: dict[str, Remote] = {}
        for start in range(0, len(leads), _COLLECTION):
            some = list(leads[start : start + _COLLECTION])
            path = f"{_VERSION}/composite/sobjects/{self._entity}"
            rows = self._http.post(path, {"ids": some, "fields": names})
            if not isinstance(rows, list):
                raise Unsure("an answer that is no list")
            for lead, row in zip(some, rows, strict=False):
                if row is not None and str(row.get("Id", ""))[:15] == lead[:15]:
                    found[lead] = self._remote(row)
        return found

    def upsert(self, batch: Sequence[Update]) -> list[Answer]:
        """Update by id: one collection, or one bulk job with its three lists of results."""
        return self._collection(batch) if len(batch) <= _COLLECTION else self._bulk(batch)

    def _collection(self, batch: Sequence[Update]) -> list[Answer]:
        records = [
            {
                "attributes": {"type": self._entity},
                "id": each.lead,
                **in_text(each.values, self._fields),
            }
            for each in batch
        ]
        body = {"allOrNone": False, "records": records}
        rows = self._http.ask("PATCH", f"{_VERSION}/composite/sobjects", body)
        if not isinstance(rows, list) or len(rows) != len(batch):
            raise Unsure("results that do not match the rows sent")
        return [_answer(each.lead, row) for each, row in zip(batch, rows, strict=True)]

    def _bulk(self, batch: Sequence[Update]) -> list[Answer]:
        job = {
            "object": self._entity,
            "operation": "update",
            "contentType": "CSV",
            "lineEnding": "LF",
        }
        path = f"{_VERSION}/jobs/ingest/{self._http.post(f'{_VERSION}/jobs/ingest', job)['id']}"
        self._text("PUT", f"{path}/batches", self._csv(batch))
        self._http.ask("PATCH", path, {"state": "UploadComplete"})
        state, wait = "", 1.0
        while state not in ("JobComplete", "Failed", "Aborted"):
            self._sleep(wait)
            wait = min(wait * 1.5, 20.0)
            state = self._http.ask("GET", path)["state"]
        if state != "JobComplete":
            raise Refused(f"the bulk job ended as {state}")
        done = self._rows(f"{path}/successfulResults")
        failed = self._rows(f"{path}/failedResults")
        answers = [Answer(row["sf__Id"], "written") for row in done]
        # What was not processed has no answer, and is read again like everything unanswered.
        return answers + [_failed(row["Id"], row.get("sf__Error", "")) for row in failed]

    def _text(self, method: str, path: str, body: str | None) -> str:
        headers = {**self._http.headers(), "Content-Type": "text/csv; charset=UTF-8"}
        answer = self._http.raw(method, path, body, headers)
        if not 200 <= answer.status_code < 300:
            raise failure(answer.status_code, said(answer), retry_after(answer.headers))
        return answer.text

    def _rows(self, path: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self._text("GET", path, None))))

    def _csv(self, batch: Sequence[Update]) -> str:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["Id", *self._fields.values()])
        for each in batch:
            values = in_text(each.values, self._fields)
            writer.writerow([each.lead, *("#N/A" if v is None else v for v in values.values())])
        return out.getvalue()

    def read_leads(self, since: str | None = None, *, as_of: int | None = None) -> Iterator[Page]:
        """Query leads by SystemModstamp; `as_of` filters by creation, values are today's."""
        clauses = []
        if since:
            clauses.append(f"SystemModstamp >= {_soql(int(since) - 300_000_000)}")
        if as_of is not None:
            clauses.append(f"CreatedDate < {_soql(as_of)}")
        where = f" WHERE {' AND '.join(clauses)}" if clauses else ""
        names = (
            "Id, Name, Company, Status, LeadSource, Industry, OwnerId, CreatedDate, SystemModstamp"
        )
        entity = quote(self._entity, "")
        query = f"SELECT {names} FROM {entity}{where} ORDER BY SystemModstamp"  # noqa: S608  # checked
        path: str | None = f"{_VERSION}/query?{httpx.QueryParams({'q': query})}"
        while path is not None:
            answer = self._http.ask("GET", path)
            rows = [_lead(row) for row in answer["records"]]
            last = rows[-1]["changed_at"] if rows else None
            yield Page(tuple(rows), str(last) if last is not None else since)
            path = answer.get("nextRecordsUrl")

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _remote(self, row: Mapping[str, Any]) -> Remote:
        values = {mine: decode(mine, row.get(theirs)) for mine, theirs in self._fields.items()}
        override = bool(self._override and row.get(self._override) not in (None, ""))
        return Remote(
            values, row.get("SystemModstamp"), override, closed=bool(row.get("IsConverted"))
        )


def _answer(lead: str, row: Mapping[str, Any]) -> Answer:
    if row.get("success"):
        return Answer(lead, "written")
    errors = row.get("errors") or [{}]
    return _failed(lead, f"{errors[0].get('statusCode', '')}:{errors[0].get('message', '')}")


def _failed(lead: str, told: str) -> Answer:
    code = told.partition(":")[0]
    if code in _GONE:
        return Answer(lead, "gone", error=told[:200])
    return Answer(lead, "conflict" if code in _MOVED else "rejected", error=told[:200])


def _soql(micros: int) -> str:
    return to_iso(micros // 1_000_000 * 1_000_000).replace("+00:00", "Z")


def _lead(row: Mapping[str, Any]) -> dict[str, Value]:
    return {
        "lead_id": row["Id"],
        "name": row.get("Name"),
        "company": row.get("Company"),
        "state": row.get("Status"),
        "source": row.get("LeadSource"),
        "industry": row.get("Industry"),
        "owner": row.get("OwnerId"),
        "created_at": time_of(row.get("CreatedDate")),
        "changed_at": time_of(row.get("SystemModstamp")),
    }
