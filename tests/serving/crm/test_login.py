"""A login that is refused is about the credentials, not about a lead."""

from __future__ import annotations

from contextlib import closing

import httpx
import pytest

from serving.crm.http import Http, parse
from serving.crm.interface import Denied


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(400, json={"error": "invalid_client"}),
        httpx.Response(200, json={"error": ["LoginException"]}),
        httpx.Response(200, content=b"null"),
    ],
)
def test_a_refused_login_is_denied(answer: httpx.Response) -> None:
    asked = []

    def serve(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return answer

    def login(http: Http) -> dict[str, str]:
        return {"Authorization": parse(http.raw("POST", "/login", {}, {}))["token"]}

    transport = httpx.MockTransport(serve)
    with (
        closing(
            Http("http://localhost:1", ["localhost"], login=login, transport=transport)
        ) as http,
        pytest.raises(Denied, match="login"),
    ):
        http.post("/leads", {})
    assert asked == ["/login"]
