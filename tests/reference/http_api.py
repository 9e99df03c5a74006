"""The HTTP application -> its OpenAPI document, and the page that lists requests and metrics."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.reference.tables import code, table

Json = Mapping[str, Any]


def openapi() -> dict[str, Any]:
    """Ask the application, as a client does, for its OpenAPI document."""
    import asyncio

    import httpx

    from serving.http.application import create_app
    from serving.http.keys import digest

    key = "a-key-for-this-one-question"
    app = create_app(None, {"documentation": digest(key)})  # type: ignore[arg-type]

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.get("/openapi.json", headers={"Authorization": f"Bearer {key}"})

    found: dict[str, Any] = asyncio.run(ask()).raise_for_status().json()
    return found


def openapi_text() -> str:
    """Give the OpenAPI document as the text of its file."""
    return json.dumps(openapi(), ensure_ascii=False, indent=2) + "\n"


def page() -> str:
    """Write requests, the shapes of bodies and answers, and the metrics."""
    document = openapi()
    lines = ["## Requests", ""]
    for path, methods in document["paths"].items():
        for method, each in methods.items():
            lines += _request(method, path, each)
    lines += ["## Bodies and answers", ""]
    for name, each in document["components"]["schemas"].items():
        if "properties" in each and not name.endswith("ValidationError"):
            lines += _shape(name, each)
    return "\n".join([*lines, "## Metrics", "", *_metrics()])


def _request(method: str, path: str, each: Json) -> Iterator[str]:
    yield from (f"### `{method.upper()} {path}`", "", each.get("description", ""), "")
    body = each.get("requestBody", {}).get("content", {}).get("application/json", {})
    if body:
        yield from (f"Body: {_kind(body['schema'])}", "")
    parameters = [
        (code(p["name"]), p["in"], "needed" if p.get("required") else "", _kind(p["schema"]))
        for p in each.get("parameters", ())
    ]
    if parameters:
        yield from (*table(("parameter", "in", "", "type"), parameters), "")
    answers = [
        (status, answer["description"], _kind(_answer(answer)))
        for status, answer in each["responses"].items()
    ]
    yield from (*table(("status", "when", "answer"), answers), "")


def _answer(answer: Json) -> Json:
    content = next(iter(answer.get("content", {}).values()), {})
    found: Json = content.get("schema", {})
    return found


def _shape(name: str, each: Json) -> Iterator[str]:
    needed = each.get("required", ())
    rows = [
        (code(key), _kind(value), "needed" if key in needed else "", value.get("description", ""))
        for key, value in each["properties"].items()
    ]
    yield from (f"### {name}", "", each.get("description", ""), "")
    yield from (*table(("field", "type", "", "what it says"), rows), "")


def _kind(value: Json) -> str:
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in value:
        kinds = dict.fromkeys(_kind(each) for each in value["anyOf"])
        return " or ".join(kinds)
    if value.get("type") == "array":
        return f"list of {_kind(value['items'])}"
    inner = [*value.get("patternProperties", {}).values(), value.get("additionalProperties")]
    if value.get("type") == "object" and isinstance(inner[0], dict):
        return f"table of {_kind(inner[0])}"
    return str(value.get("format") or value.get("type", ""))


def _metrics() -> list[str]:
    from serving.http.application import Metrics

    rows = [
        (
            code(each.name + ("_total" if each.type == "counter" else "")),
            each.type,
            each.documentation,
        )
        for each in Metrics().registry.collect()
    ]
    return table(("name", "type", "what it counts"), rows)
