"""The service as a client meets it: keys, limits, bad bodies, and the same scores as the batch."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import uvicorn

from data.errors import InputError
from serving.http.application import create_app
from serving.http.guard import App, Limits
from serving.http.keys import KeyFile, digest, new_key, owner_of, read_keys, revoke_key
from serving.http.score_requests import Service
from serving.http.server import HeaderTimeoutProtocol
from serving.http.strict_json import NotJsonError, check_json
from serving.run_moment import RunMoment
from serving.score import score_leads
from serving.scoring_run import write_scores

KEY = "ls_test-key"
KEYS = {"tests": digest(KEY)}
AUTH = {"Authorization": f"Bearer {KEY}"}
AS_OF = "2026-09-01T00:00:00Z"


@pytest.fixture(scope="module")
def service(company) -> Service:
    service = Service(company.session.project, company.session.registry)
    service.load()
    service.hold(company.reading)
    return service


@pytest.fixture(scope="module")
def app(service) -> App:
    return create_app(service, KEYS, Limits(requests_per_second=10_000, burst=10_000))


def call(app, method: str, path: str, **options) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.request(method, path, **options)

    return asyncio.run(ask())


def plain(row: dict) -> dict:
    def value(v):
        if isinstance(v, pd.Timestamp):
            return v.isoformat()
        return None if pd.isna(v) else v.item() if isinstance(v, np.generic) else v

    return {str(k): value(v) for k, v in row.items()}


@pytest.fixture(scope="module")
def request_body(company) -> dict:
    folder = company.file.parent
    leads = pd.read_parquet(folder / "leads.parquet").sort_values("created_at").head(3)
    touches = pd.read_parquet(folder / "touches.parquet")
    accounts = pd.read_parquet(folder / "accounts.parquet").set_index("account_id", drop=False)
    contacts = pd.read_parquet(folder / "contacts.parquet")
    body = []
    for _, lead in leads.iterrows():
        mine = touches[touches["lead_id"] == lead["lead_id"]]
        joined = {"0": plain(accounts.loc[lead["account_id"]].to_dict())}
        if "contact_id" in lead:
            found = contacts[contacts["contact_id"] == lead["contact_id"]]
            if len(found):
                joined["1"] = plain(found.iloc[0].to_dict())
        n_joins = len(company.session.project.leads.join)
        body.append(
            {
                "attributes": plain(lead.to_dict()),
                "events": {"0": [plain(event) for event in mine.to_dict("records")]},
                "joined": {k: v for k, v in joined.items() if int(k) < n_joins},
            }
        )
    return {"leads": body, "as_of": AS_OF}


def test_health_needs_no_key_and_everything_else_does(app):
    assert call(app, "GET", "/health").json()["status"] == "ok"
    assert call(app, "GET", "/ready").json()["model_version"] == "1"
    assert call(app, "GET", "/metrics").status_code == 401


@pytest.mark.parametrize(
    ("headers", "path"),
    [
        ({}, "/v1/score"),
        ({"Authorization": "Bearer wrong"}, "/v1/score"),
        ({"Authorization": f"Basic {KEY}"}, "/v1/score"),
        ({}, f"/v1/score?key={KEY}"),
        (AUTH, f"/v1/score?api_key={KEY}"),
    ],
)
def test_no_key_wrong_key_and_key_in_the_address_are_refused(app, headers, path):
    assert call(app, "POST", path, headers=headers, json={}).status_code == 401


def test_a_request_scores_and_its_points_add_up(app, request_body):
    answer = call(app, "POST", "/v1/score", headers=AUTH, json=request_body)
    assert answer.status_code == 200, answer.text
    scores = answer.json()["scores"]
    asked = [lead["attributes"]["lead_id"] for lead in request_body["leads"]]
    assert [score["lead_id"] for score in scores] == asked
    for score in scores:
        points = sum(reason["points"] for reason in score["reasons"])
        whole = (
            score["typical"]
            + points
            + score["unseen_points"]
            + score["rest_points"]
            + score["limit_points"]
        )
        assert whole == score["score"]


def test_a_lead_of_the_store_scores_as_in_the_nightly_file(app, company, quiet, tmp_path):
    """Score, points, words and every bit of the probability."""
    scored = score_leads(
        company.session.project,
        company.reading.tables,
        company.reading.outcomes,
        company.model,
        RunMoment(company.reading.tables.observed_until, 0, "r"),
        on_stage=quiet,
    )
    rows = pq.read_table(write_scores(scored, tmp_path / "scores.parquet")).to_pylist()
    for row in rows[:: len(rows) // 40]:
        answer = call(app, "GET", f"/v1/leads/{row['lead_id']}/score", headers=AUTH)
        told = answer.json()["scores"][0]
        names = ("score", "band", "probability", "probability_low", "probability_high")
        assert {name: told[name] for name in names} == {name: row[name] for name in names}
        keys = ("factor", "family", "points", "text", "fact")
        assert told["reasons"] == [{key: r[key] for key in keys} for r in row["reasons"]]


def test_an_unknown_lead_is_404(app):
    assert call(app, "GET", "/v1/leads/nobody/score", headers=AUTH).status_code == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"", 422),
        (b'{"leads": [], "as_of": "2026-01-01T00:00:00Z"}', 422),
        (b'{"leads": [{"attributes": {}}], "as_of": "yesterday"}', 422),
        (b'{"leads": [{"attributes": {"lead_id": NaN}}], "as_of": "2026-01-01T00:00:00Z"}', 400),
        (b'{"leads": [{"attributes": {"lead_id": 1e400}}], "as_of": "2026-01-01T00:00:00Z"}', 422),
        (b'{"leads": [{"attributes": {"lead_id": "a"}}], "as_of": "2026-01-01T00:00:00"}', 422),
        (b'{"leads": [{"attributes": {"lead_id": ["a"]}}], "as_of": "2026-01-01T00:00:00Z"}', 422),
        (b"[" * 10_000 + b"]" * 10_000, 400),
        ('{"leads": 1}'.encode("utf-16"), 400),
        (b'\xef\xbb\xbf{"leads": 1}', 400),
        (b'{"leads": [], "leads": []}', 400),
    ],
)
def test_a_bad_body_is_refused_with_its_place(app, body, status):
    headers = {**AUTH, "Content-Type": "application/json"}
    answer = call(app, "POST", "/v1/score", headers=headers, content=body)
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"detail"}


def test_a_body_over_a_megabyte_or_compressed_is_refused(app):
    big = b" " * 1_000_001
    assert call(app, "POST", "/v1/score", headers=AUTH, content=big).status_code == 413
    packed = {**AUTH, "Content-Encoding": "gzip"}
    assert call(app, "POST", "/v1/score", headers=packed, content=b"x").status_code == 415


def test_an_endless_body_without_a_length_is_cut_off(app):
    async def endless():
        while True:
            yield b" " * 65_536

    assert call(app, "POST", "/v1/score", headers=AUTH, content=endless()).status_code == 413


def test_too_many_leads_are_refused(app):
    body = {"leads": [{"attributes": {"lead_id": str(i)}} for i in range(101)], "as_of": AS_OF}
    assert call(app, "POST", "/v1/score", headers=AUTH, json=body).status_code == 422


def test_too_many_requests_are_told_when_to_come_back(service):
    app = create_app(service, KEYS, Limits(requests_per_second=0.1, burst=2))
    codes = [call(app, "GET", "/metrics", headers=AUTH) for _ in range(3)]
    assert [answer.status_code for answer in codes] == [200, 200, 429]
    assert int(codes[2].headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("DELETE", "/v1/score", 405), ("GET", "/nothing", 404), ("GET", "/..%2fetc/passwd", 404)],
)
def test_unknown_ways_in_are_refused_without_a_trace(app, method, path, status):
    answer = call(app, method, path, headers=AUTH)
    assert answer.status_code == status
    assert "Traceback" not in answer.text


def test_a_body_of_distinct_keys_and_one_key_twice_is_read_in_one_pass():
    """Counting each key among all others took seconds for 200 KB."""
    body = json.dumps({f"k{i}": 0 for i in range(60_000)})[:-1] + ', "k0": 1}'
    began = time.thread_time()
    with pytest.raises(NotJsonError, match="twice: 'k0'"):
        check_json(body.encode())
    assert time.thread_time() - began < 5  # it was minutes


def test_nobody_reads_a_body_without_a_key(app):
    for path in ("/health", "/ready"):
        assert call(app, "POST", path, content=b"{" * 200_000).status_code == 405
        assert call(app, "GET", path, content=b"{" * 2_000_000).status_code == 200


def test_a_number_of_five_thousand_digits_is_refused_as_any_wrong_body(app):
    body = b'{"leads": ' + b"9" * 5_000 + b"}"
    answer = call(app, "POST", "/v1/score", headers=AUTH, content=body)
    assert (answer.status_code, answer.json()) == (
        400,
        {"detail": "the body has a number of too many digits"},
    )


def test_refusals_are_counted_as_answers_are(service):
    app = create_app(service, KEYS, Limits(requests_per_second=0.1, burst=3, body_bytes=10))
    call(app, "GET", "/metrics")
    call(app, "POST", "/v1/score", headers=AUTH, content=b"{")
    call(app, "POST", "/v1/score", headers=AUTH, content=b" " * 11)
    text = call(app, "GET", "/metrics", headers=AUTH).text
    call(app, "GET", "/metrics", headers=AUTH)
    for status in ("400", "401", "413"):
        assert f'leadscore_requests_total{{status="{status}"}} 1.0' in text


@pytest.mark.parametrize("kind", [TypeError, KeyError])
def test_a_fault_of_ours_is_a_short_answer_and_a_log_line_without_data(service, caplog, kind):
    """A key that was not found was answered as "no model", in its own words, and not logged."""

    class Broken(Service):
        def score_known(self, lead: str, as_of: int | None):
            raise kind(lead, as_of)

    app = create_app(Broken(service.project, service.registry), KEYS)
    answer = call(app, "GET", "/v1/leads/secret-name/score", headers=AUTH)
    assert (answer.status_code, answer.json()) == (500, {"detail": "a fault of ours"})
    assert f"{kind.__name__} at" in caplog.text
    assert "secret-name" not in caplog.text


def test_the_look_for_promotions_goes_on_after_one_that_failed(company):
    looks = []

    class Follower(Service):
        def follow_promotion(self) -> bool:
            looks.append(self.follower)
            if len(looks) < 3:
                raise OSError("the registry is away")
            return super().follow_promotion()

    service = Follower(company.session.project, company.session.registry)
    service.load()
    app = create_app(service, KEYS, Limits(), reload_seconds=0.05)
    states = []
    with listening(app) as port:
        for _ in range(200):
            states.append(httpx.get(f"http://127.0.0.1:{port}/ready").json()["follower"])
            if len(looks) > 3 and states[-1] == "ok":
                break
            time.sleep(0.02)
    assert "failing" in states
    assert states[-1] == "ok"


def test_a_key_that_is_revoked_opens_nothing_more_and_no_restart_is_needed(service, tmp_path):
    path = tmp_path / "keys.json"
    key, other = new_key(path, "website"), new_key(path, "crm")
    app = create_app(service, KeyFile(path))

    def status(of: str) -> int:
        return call(app, "GET", "/metrics", headers={"Authorization": f"Bearer {of}"}).status_code

    assert (status(key), status(other)) == (200, 200)
    revoke_key(path, "website")
    assert (status(key), status(other)) == (401, 200)
    with pytest.raises(InputError, match="no key named 'website': there are crm"):
        revoke_key(path, "website")
    path.write_text("{")
    assert status(other) == 401
    path.unlink()
    assert status(other) == 401


def test_keys_that_are_made_and_revoked_at_once_are_all_made_and_revoked(tmp_path):
    """Found in a review: who made a key meanwhile brought a revoked one back."""
    path = tmp_path / "keys.json"
    for i in range(10):
        new_key(path, f"old {i}")
    with ThreadPoolExecutor(20) as pool:
        jobs = [pool.submit(revoke_key, path, f"old {i}") for i in range(10)]
        jobs += [pool.submit(new_key, path, f"new {i}") for i in range(10)]
        for job in jobs:
            job.result()
    assert sorted(read_keys(path)) == [f"new {i}" for i in range(10)]


def test_keys_are_kept_as_hashes_and_found_by_name(tmp_path):
    path = tmp_path / "keys.json"
    key = new_key(path, "website")
    assert key not in path.read_text()
    assert owner_of(key, read_keys(path)) == "website"
    assert owner_of(key + "x", read_keys(path)) is None


@contextmanager
def listening(app, **settings) -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", **settings))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    try:
        yield port
    finally:
        server.should_exit = True
        thread.join()


def test_two_hundred_slow_sockets_do_not_stop_a_healthy_request(app, monkeypatch):
    monkeypatch.setattr(HeaderTimeoutProtocol, "header_seconds", 1.0)
    with listening(app, http=HeaderTimeoutProtocol) as port:
        slow = []
        for _ in range(200):
            client = socket.create_connection(("127.0.0.1", port))
            client.sendall(b"POST /v1/score HTTP/1.1\r\nHost: x\r\nX-Slow: ")
            slow.append(client)
        assert httpx.get(f"http://127.0.0.1:{port}/health", timeout=5).status_code == 200
        slow[0].settimeout(10)
        assert slow[0].recv(100) == b""  # closed: its headers never came
        for client in slow:
            client.close()


def test_length_and_chunks_together_are_no_request(app):
    with listening(app, http=HeaderTimeoutProtocol) as port:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(
                b"POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /health HTTP/1.1\r\n\r\n"
            )
            client.settimeout(5)
            first = client.recv(2000)
        assert first.startswith((b"HTTP/1.1 400", b"HTTP/1.1 401"))
        assert b'"status":"ok"' not in first


def test_openapi_says_what_the_service_does(app):
    document = call(app, "GET", "/openapi.json", headers=AUTH).json()
    assert set(document["paths"]) == {
        "/health",
        "/ready",
        "/metrics",
        "/v1/score",
        "/v1/leads/{lead_id}/score",
    }
    json.dumps(document)
