"""A good request -> as many damaged ones as are asked for, the same for the same seed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

from tests.fakes.asgi_calls import RawRequest

METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "XYZ")
PATHS = ("/v1/score", "/v1/leads/{}/score", "/metrics", "/health", "/ready", "/openapi.json")
ODD_PATHS = (
    *("/", "//", "/v1/../v1/score", "/v1/leads/..%2f..%2fetc/score", "/v1/leads//score"),
    *("/v1/leads/\udcff/score", "/v1/leads/\x00/score", "/v1/score/", "/" + "a" * 5_000),
    *("/v1/leads/' or 1=1 --/score", "/v1/leads/<script>/score", "/%00", "*", ""),
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -0.0, 1e308, -1e308, 2**63, -(2**70), 10**400, 0.1, 1970),
    *("", " ", "nan", "NaN", "Infinity", "1e400", "12,5", "'; DROP TABLE leads;--", "=1+1"),
    *("\u202e", "\x00", "\ud800", "a" * 3_000, "🦜" * 500, "9999-12-31T23:59:59Z"),
    *("0001-01-01", "2026-02-30", "1969-12-31T23:59:60Z", "2026-09-01T00:00:00+99:99"),
    *([], {}, [[]], [None] * 50, {"a": {"b": {"c": 1}}}, {"": ""}, {"lead_id": "x"}),
)
BODIES = (
    *(b"", b"{", b"[]", b"null", b"0", b'""', b"\xff\xfe{\x00}\x00", b"\xef\xbb\xbf{}", b"\x00"),
    *(b'{"a":1,"a":2}', b"NaN", b'{"a":NaN}', b"[" * 50_000, b'{"a":' * 20_000, b"1" * 100_000),
    *(b'{"a":1e999999}', b'"\\ud800"', b'{"leads":[' + b"1," * 50_000 + b"1]}", b"{}" * 1_000),
)


def damaged_requests(
    good: dict[str, Any], key: str, leads: list[str], n: int, seed: int
) -> Iterator[RawRequest]:
    """Yield requests: most with the key, so that they come further than the door."""
    draw = random.Random(seed)
    for _ in range(n):
        kind = draw.random()
        if kind < 0.45:
            body = json.dumps(_change(draw, json.loads(json.dumps(good)))).encode(
                "utf-8", "surrogatepass"
            )
            yield RawRequest("POST", "/v1/score", b"", _headers(draw, key), body)
        elif kind < 0.60:
            raw = bytearray(json.dumps(good).encode())
            for _ in range(draw.randint(1, 8)):
                at = draw.randrange(len(raw))
                raw[at : at + draw.randint(0, 3)] = draw.randbytes(draw.randint(0, 4))
            yield RawRequest("POST", "/v1/score", b"", _headers(draw, key), bytes(raw))
        elif kind < 0.70:
            yield RawRequest("POST", "/v1/score", b"", _headers(draw, key), draw.choice(BODIES))
        elif kind < 0.85:
            query = draw.choice(
                [
                    b"",
                    b"as_of=2026-09-01T00:00:00Z",
                    b"as_of=x",
                    b"key=1",
                    b"as_of=9999-12-31T00:00:00Z",
                    draw.randbytes(20),
                    b"as_of=0001-01-01T00:00:00Z",
                ]
            )
            path = f"/v1/leads/{draw.choice([*leads, 'none', 'a' * 300, '%2e'])}/score"
            yield RawRequest("GET", path, query, _headers(draw, key))
        else:
            path = draw.choice([*PATHS, *ODD_PATHS]).replace("{}", draw.choice(leads))
            yield RawRequest(
                draw.choice(METHODS),
                path,
                draw.randbytes(draw.randint(0, 30)),
                _headers(draw, key),
                draw.choice(BODIES),
            )


def _headers(draw: random.Random, key: str) -> tuple[tuple[bytes, bytes], ...]:
    named: list[tuple[bytes, bytes]] = [(b"host", b"x")]
    if draw.random() < 0.93:
        named.append((b"authorization", f"Bearer {key}".encode()))
    odd = draw.random()
    if odd < 0.05:
        named.append((b"authorization", draw.randbytes(40)))
    elif odd < 0.10:
        named.append((b"content-encoding", draw.choice([b"gzip", b"br", b"identity", b"\xff"])))
    elif odd < 0.15:
        named.append(
            (b"content-length", draw.choice([b"-1", b"x", b"9" * 400, b"0", "٣".encode()]))
        )
    elif odd < 0.18:
        named += [(b"content-length", b"3"), (b"transfer-encoding", b"chunked")]
    named.append(
        (b"content-type", draw.choice([b"application/json"] * 8 + [b"text/plain", b"", b"\xff"]))
    )
    return tuple(named)


def _change(draw: random.Random, value: Any, depth: int = 0) -> Any:
    """Change a few places of a document: another value, one left out, one more, one twice."""
    if isinstance(value, dict) and value and (depth < 2 or draw.random() < 0.7):
        name = draw.choice([*value])
        act = draw.random()
        if act < 0.15:
            del value[name]
        elif act < 0.25:
            value[draw.choice(["", "x", "lead_id", "a" * 250, "\x00", name + " "])] = draw.choice(
                VALUES
            )
        elif act < 0.45:
            value[name] = draw.choice(VALUES)
        else:
            value[name] = _change(draw, value[name], depth + 1)
        return value
    if isinstance(value, list) and value and draw.random() < 0.8:
        place = draw.randrange(len(value))
        if draw.random() < 0.1:
            return value + [value[place]] * draw.choice([1, 5, 150])
        value[place] = _change(draw, value[place], depth + 1)
        return value
    return draw.choice(VALUES)
