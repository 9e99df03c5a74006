"""HubSpot, Salesforce, Dataverse against servers that speak their documented protocol.

Contract-tested, not tested live: no account is needed, and none was used.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from urllib.parse import unquote

import httpx
import pytest

from data.errors import OutsideError
from serving.crm.crm_rows import Since
from serving.crm.dataverse.writer import DataverseCrm
from serving.crm.hubspot.reader import HubSpotReader, _merged
from serving.crm.hubspot.writer import HubSpotCrm
from serving.crm.interface import Busy, Denied, Refused, Unsure, Update
from serving.crm.retries import RetryingCall
from serving.crm.salesforce.writer import SalesforceCrm
from serving.crm.tryton.writer import TrytonCrm
from serving.writeback.write_back import write_back
from tests.fakes.cloud_server import TOKEN, Cloud, Request, running
from tests.fakes.faults_run import EPOCH, write_scores
from tests.fakes.postgres_cluster import free_port
from tests.serving.writeback.test_write_back import project

VALUES = {"score": 71, "band": "A", "probability": 0.25, "reasons": "+9 “Demo”, −3", "as_of": EPOCH}
ROOT = Path(__file__).resolve().parents[3]
HOSTS = ("crm.example.com", "login.microsoftonline.com")
Reply = Callable[[httpx.Request], httpx.Response]


def update(lead: str) -> Update:
    return Update(lead, VALUES)


def statuses(
    crm: HubSpotCrm | SalesforceCrm | DataverseCrm, leads: Sequence[str]
) -> dict[str, str]:
    return {each.lead: each.status for each in crm.upsert([update(lead) for lead in leads])}


# -- HubSpot -------------------------------------------------------------------------------


def hubspot(reply: Reply) -> HubSpotCrm:
    transport = httpx.MockTransport(reply)
    return HubSpotCrm("https://crm.example.com", HOSTS, "t0ken", transport=transport)


def test_hubspot_207_tells_rows_by_id_in_any_order() -> None:
    def reply(request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == "Bearer t0ken"
        sent = json.loads(request.content)["inputs"]
        assert sent[0]["properties"]["score"] == "71"
        written = [
            {"id": each["id"], "properties": each["properties"], "updatedAt": "x"}
            for each in reversed(sent)
            if each["id"] not in ("7", "8")
        ]
        errors = [
            {"category": "OBJECT_NOT_FOUND", "message": "gone", "context": {"ids": ["7"]}},
            {"category": "VALIDATION_ERROR", "message": "bad", "context": {"ids": ["8"]}},
        ]
        return httpx.Response(207, json={"results": written, "errors": errors, "numErrors": 2})

    found = statuses(hubspot(reply), ["1", "2", "7", "8"])
    assert found == {"1": "written", "2": "written", "7": "gone", "8": "rejected"}


def test_hubspot_values_read_back_as_they_were_sent() -> None:
    kept: dict[str, object] = {}

    def reply(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        if request.url.path.endswith("/batch/update"):
            kept.update(body["inputs"][0]["properties"])
            return httpx.Response(200, json={"results": [{"id": "1", "properties": kept}]})
        merged = {"id": "99", "properties": {}}  # who asks for 5 is told of 99
        there = {"id": "1", "properties": {**kept, "lifecyclestage": "opportunity"}}
        return httpx.Response(200, json={"results": [there, merged]})

    crm = hubspot(reply)
    crm.upsert([update("1")])
    read = crm.read_scores(["1", "5"])
    assert set(read) == {"1"}
    assert {name: read["1"].values[name] for name in VALUES} == VALUES
    assert read["1"].closed


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (429, Busy),
        (503, Busy),
        (502, Unsure),
        (400, Refused),
        (413, Refused),
        (403, Denied),
        (401, Denied),
    ],
)
def test_a_status_becomes_what_it_means(status: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        statuses(hubspot(lambda _: httpx.Response(status, headers={"Retry-After": "7"})), ["1"])


def test_a_redirect_is_not_followed() -> None:
    away = httpx.Response(302, headers={"location": "https://evil.example.com/"})
    with pytest.raises(Denied, match="302"):
        statuses(hubspot(lambda _: away), ["1"])


@pytest.fixture(scope="module")
def prism() -> Iterator[str]:
    """HubSpot's own OpenAPI file, served and enforced by Prism."""
    data, binary = os.environ.get("LEADSCORE_DATA"), ROOT / ".state/prism/node_modules/.bin/prism"
    document = Path(data or ".") / "hubspot_api" / "contacts.json"
    if data is None or not document.exists():
        pytest.skip("LEADSCORE_DATA with hubspot_api is not set: no OpenAPI file of HubSpot here")
    if shutil.which("node") is None or not binary.exists():
        pytest.skip(
            "Prism is not installed here: npm install --prefix .state/prism @stoplight/prism-cli@5"
        )
    port = free_port()
    command = [str(binary), "mock", "-h", "127.0.0.1", "-p", str(port), "--errors", str(document)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    for _ in range(300):
        try:
            httpx.get(url, timeout=5)
            break
        except httpx.TransportError:
            time.sleep(0.2)
    yield url
    process.terminate()
    process.wait(10)


@pytest.mark.real_data
def test_hubspots_own_contract_accepts_our_requests(prism: str) -> None:
    with closing(HubSpotCrm(prism, ("127.0.0.1",), "t0ken")) as crm:
        assert crm.read_scores(["1", "2"]) == {}  # the examples in the file are of other leads
        answers = crm.upsert([update("1"), update("2")])
        assert {answer.status for answer in answers} <= {"written", "rejected", "gone"}


@pytest.mark.real_data
def test_hubspots_own_contract_accepts_how_contacts_are_read(prism: str) -> None:
    with closing(HubSpotCrm(prism, ("127.0.0.1",), "t0ken")) as crm:
        reader = HubSpotReader(crm.http, RetryingCall(None), score_fields=crm.score_fields)
        since = Since(EPOCH)
        pages = list(islice(reader.read(since, as_of=EPOCH + 10**12), 3))
    assert [page.kind for page in pages] == ["leads", "lead_history", "events"]
    assert pages[0].rows[0]["lead_id"]
    assert set(reader.gaps) == {"values", "contacts"}  # that file knows nothing of properties


def test_digits_of_other_scripts_are_no_numbers_of_a_crm() -> None:
    """Found in a review: "²" is a digit to Python and no integer."""
    row = {"id": "1", "properties": {"hs_calculated_merged_vids": "7:²;8:٣;9:1767600000000"}}
    assert [each["lead_id"] for each in _merged(row, None)] == ["9"]
    asked: list[object] = []

    def reply(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        if body["method"] != "common.db.login":
            asked.append(body["params"][0])
        return httpx.Response(200, json={"result": [] if asked else [1, "session"]})

    url, login = "https://crm.example.com/crm", ("user", "password")
    crm = TrytonCrm(url, HOSTS, login, transport=httpx.MockTransport(reply))
    assert crm.read_scores(["7", "²", "٣"]) == {}
    assert asked == [[["id", "in", [7]]]]


# -- Salesforce ----------------------------------------------------------------------------


def salesforce(reply: Reply, secret: str = "t0ken") -> SalesforceCrm:
    return SalesforceCrm(
        "https://crm.example.com",
        HOSTS,
        secret,
        sleep=lambda _: None,
        transport=httpx.MockTransport(reply),
    )


def test_salesforce_collections_answer_200_with_errors_by_row() -> None:
    def reply(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/oauth2/token"):
            assert "client_secret=s3cret" in request.content.decode()
            return httpx.Response(200, json={"access_token": "fresh"})
        assert request.headers["authorization"] == "Bearer fresh"
        codes = [
            None,
            "UNABLE_TO_LOCK_ROW",
            "ENTITY_IS_DELETED",
            "FIELD_CUSTOM_VALIDATION_EXCEPTION",
        ]
        rows = [
            {"success": code is None, "errors": [{"statusCode": code, "message": "m"}]}
            for code in codes
        ]
        return httpx.Response(200, json=rows)

    found = statuses(salesforce(reply, "client:s3cret"), ["00Qa", "00Qb", "00Qc", "00Qd"])
    assert list(found.values()) == ["written", "conflict", "gone", "rejected"]


def test_salesforce_bulk_leaves_what_was_not_processed_unanswered() -> None:
    leads = [f"00Q{i:012d}" for i in range(300)]
    sent: list[str] = []
    polls = iter(["InProgress", "JobComplete"])

    def reply(request: httpx.Request) -> httpx.Response:
        path, method = request.url.path, request.method
        if path.endswith("/batches"):
            sent.extend(request.content.decode().splitlines())
            return httpx.Response(201)
        if path.endswith("/successfulResults"):
            lines = ["sf__Id,sf__Created", *(f"{lead},false" for lead in leads[:298])]
            return httpx.Response(200, text="\n".join(lines))
        if path.endswith("/failedResults"):
            return httpx.Response(
                200, text=f"sf__Id,sf__Error,Id\n,ENTITY_IS_DELETED:x,{leads[298]}"
            )
        if method == "GET":
            return httpx.Response(200, json={"state": next(polls)})
        return httpx.Response(200, json={"id": "750x"})

    found = statuses(salesforce(reply), leads)
    assert (len(found), found[leads[0]], found[leads[298]]) == (299, "written", "gone")
    assert len(sent) == 301
    assert '"+9 “Demo”, −3"' in sent[1]


def test_salesforce_bulk_that_never_ends_is_given_up_and_cannot_write_later() -> None:
    waits: list[float] = []
    states: list[str] = []

    def reply(request: httpx.Request) -> httpx.Response:
        if request.method == "PATCH":
            states.append(json.loads(request.content)["state"])
        return httpx.Response(200, json={"id": "750x", "state": "InProgress"})

    crm = SalesforceCrm(
        "https://crm.example.com",
        HOSTS,
        "t0ken",
        sleep=waits.append,
        transport=httpx.MockTransport(reply),
    )
    with pytest.raises(Unsure, match="InProgress after 20 minutes"):
        statuses(crm, [f"00Q{i:012d}" for i in range(300)])
    assert states == ["UploadComplete", "Aborted"]
    assert 1200 <= sum(waits) < 1220


class StuckBulk(Cloud):
    """A CRM whose bulk jobs never end; at the third look at one a signal comes."""

    looks = 0

    def answer(self, request: Request) -> object:
        if request.path.endswith("/composite/sobjects/Lead"):
            return [{"Id": lead, "IsConverted": False} for lead in request.body["ids"]]
        if request.method == "GET":
            self.looks += 1
            if self.looks == 3:
                os.kill(os.getpid(), signal.SIGTERM)
        return {"id": "750x", "state": "InProgress"}


def test_a_signal_ends_the_wait_for_a_bulk_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_TOKEN", TOKEN)
    path = tmp_path / "scores.parquet"
    write_scores(path, [f"00Q{i:012d}" for i in range(300)], [50] * 300, EPOCH)
    with running(StuckBulk()) as cloud:
        acme = project(
            crm="salesforce", url=cloud.url, credentials="ACME_TOKEN", requests_per_second=1000
        )
        with pytest.raises(OutsideError, match="a signal came"):
            write_back(path, acme, tmp_path, now=EPOCH, run_id="run")
    assert cloud.looks == 3
    states = [request.body for request in cloud.seen if request.method == "PATCH"]
    assert states == [{"state": "UploadComplete"}, {"state": "Aborted"}]


def test_salesforce_null_is_a_deleted_lead() -> None:
    there = {"Id": "00Q000000000001AAA", "IsConverted": True, "score__c": 3.0}
    crm = salesforce(lambda _: httpx.Response(200, json=[there, None]))
    read = crm.read_scores(["00Q000000000001AAA", "00Q000000000002AAA"])
    assert list(read) == ["00Q000000000001AAA"]
    assert (read["00Q000000000001AAA"].values["score"], read["00Q000000000001AAA"].closed) == (
        3,
        True,
    )


@pytest.mark.parametrize(("box", "is_set"), [(False, False), (True, True)])
def test_a_box_that_is_not_ticked_is_no_override(box: bool, is_set: bool) -> None:
    lead = "00Q000000000001AAA"
    row = {"Id": lead, "by_hand": box}
    crm = SalesforceCrm(
        "https://crm.example.com",
        HOSTS,
        "t0ken",
        override="by_hand",
        sleep=time.sleep,
        transport=httpx.MockTransport(lambda _: httpx.Response(200, json=[row])),
    )
    assert crm.read_scores([lead])[lead].override == is_set
    words = {"id": "1", "properties": {"by_hand": str(box).lower()}}
    contacts = HubSpotCrm(
        "https://crm.example.com",
        HOSTS,
        "t0ken",
        override="by_hand",
        transport=httpx.MockTransport(lambda _: httpx.Response(200, json={"results": [words]})),
    )
    assert contacts.read_scores(["1"])["1"].override == is_set


# -- Dataverse -----------------------------------------------------------------------------

GUID = "11111111-2222-3333-4444-555555555555"


def test_dataverse_updates_all_or_none() -> None:
    def reply(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/token"):
            return httpx.Response(200, json={"access_token": "fresh"})
        if request.method == "GET":
            assert f"'{GUID}'" in unquote(str(request.url))
            row = {"leadid": GUID, "statecode": 0, "leadscore_score": 5, "@odata.etag": 'W/"1"'}
            return httpx.Response(200, json={"value": [row]})
        targets = json.loads(request.content)["Targets"]
        assert targets[0]["leadscore_score"] == 71
        return httpx.Response(204 if len(targets) == 1 else 400, json=None)

    crm = DataverseCrm(
        "https://crm.example.com",
        HOSTS,
        "tenant:client:s3cret",
        transport=httpx.MockTransport(reply),
    )
    assert statuses(crm, [GUID]) == {GUID: "written"}
    with pytest.raises(Refused):
        statuses(crm, [GUID, GUID])
    read = crm.read_scores([GUID, "x') or true or ('"])
    assert (list(read), read[GUID].values["score"], read[GUID].closed) == ([GUID], 5, False)


def test_no_secret_is_in_an_error() -> None:
    for status in (400, 401, 403, 500):
        with pytest.raises(Exception) as caught:
            statuses(hubspot(lambda _, status=status: httpx.Response(status, text="no")), ["1"])
        assert "t0ken" not in str(caught.value)
