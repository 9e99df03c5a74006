"""Bad inputs 31 to 41, tried: the service."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Final

from benchmarks.attack_inputs_desk import AUTH, Desk
from serving.http.application import create_app
from serving.http.guard import Limits
from serving.http.keys import digest
from tests.fakes.slow_sockets import hold


def _31(desk: Desk) -> None:
    desk.answered(413, "POST", "/v1/score", b" " * 1_000_001, says="1000000")

    async def endless():  # type: ignore[no-untyped-def]
        while True:
            yield b" " * 65_536

    desk.answered(413, "POST", "/v1/score", endless())


def _32(desk: Desk) -> None:
    waited = hold(desk.app, sockets=200)
    desk.must(waited < 5, f"a healthy request took {waited:.1f} s")


def _33(desk: Desk) -> None:
    for headers, path in (
        ({}, "/v1/score"), ({"Authorization": "Bearer no"}, "/v1/score"),
        ({}, "/v1/score?key=ls_k"), (AUTH, "/v1/score?api_key=ls_k"),
    ):  # fmt: skip
        desk.answered(401, "POST", path, b"{}", headers=headers)


def _34(desk: Desk) -> None:
    body = json.loads(json.dumps(desk.request))
    body["leads"] = [{"attributes": {"lead_id": str(i)}} for i in range(10_000)]
    desk.answered(422, "POST", "/v1/score", json.dumps(body), says="100")


def _35(desk: Desk) -> None:
    bomb = gzip.compress(bytes(10**7))
    packed = {**AUTH, "Content-Encoding": "gzip"}
    desk.answered(415, "POST", "/v1/score", bomb, headers=packed)


def _36(desk: Desk) -> None:
    right = json.dumps(desk.request)
    for body in (
        "{", right.replace('"as_of"', '"as_of": NaN, "x"'), '{"leads": [], "leads": []}',
        "\ufeff" + right,
    ):  # fmt: skip
        desk.answered(400, "POST", "/v1/score", body.encode())
    desk.answered(400, "POST", "/v1/score", right.encode("utf-16"))


def _37(desk: Desk) -> None:
    for value in ("12,5", [1], {"a": 1}, True):
        body = desk.lead_with(expected_amount=value)
        status = 422
        desk.answered(status, "POST", "/v1/score", body, says="expected_amount")


def _38(desk: Desk) -> None:
    for number, status in (("1e400", 422), ("9" * 5000, 400), ("-0", 200), (str(2**63), 200)):
        body = desk.lead_with(expected_amount="N").replace('"N"', number)
        desk.answered(status, "POST", "/v1/score", body)


def _39(desk: Desk) -> None:
    for method, path, status in (
        ("DELETE", "/v1/score", 405), ("GET", "/..%2f..%2fetc/passwd", 404),
        ("BREW", "/v1/score", 405), ("GET", "/v1/leads/..%2f..%2fx/score", 404),
    ):  # fmt: skip
        desk.answered(status, method, path)
    answer = desk.ask(
        "GET", "/health", headers={"Host": "evil.example", "Origin": "http://e.example"}
    )
    desk.must("access-control-allow-origin" not in answer.headers, "another site may read it")


def _40(desk: Desk) -> None:
    both = {**AUTH, "Transfer-Encoding": "chunked", "Content-Length": "5"}
    desk.answered(400, "POST", "/v1/score", b"0\r\n\r\n", headers=both, says="not both")


def _41(desk: Desk) -> None:
    slow = create_app(
        desk.company.service(), {"t": digest("ls_k")}, Limits(requests_per_second=0.1, burst=2)
    )
    answers = [desk.ask("GET", "/metrics", app=slow) for _ in range(3)]
    desk.must([each.status_code for each in answers] == [200, 200, 429], "no 429")
    desk.must(int(answers[-1].headers.get("retry-after", 0)) >= 1, "no Retry-After")


ROWS: Final[dict[int, Callable[[Desk], None]]] = {n: globals()[f"_{n}"] for n in range(31, 42)}
