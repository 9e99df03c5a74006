"""One object store: what the environment says of it, requests to it, and what its refusals mean.

Where the store is, and who asks, is said by the environment that all programs of S3 know:
AWS_ENDPOINT_URL (else Amazon's own, by AWS_REGION), AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
AWS_SESSION_TOKEN. [network] allow names the endpoint's host. Connections are Python's own, so that
the address that is connected to is judged (data/network); nothing looks for credentials in files or
in a cloud's metadata, and nothing is redirected. Without keys, what is public is read.
"""

from __future__ import annotations

import os
import re
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple
from xml.etree import ElementTree

from data.errors import InputError, LeadScoreError, OutsideError
from data.network import require_allowed
from data.reading.s3_signature import S3Keys, query_text, sign

if TYPE_CHECKING:  # only who reads objects loads an HTTP client
    import httpx

_ENDPOINT: Final = re.compile(r"https?://[^/?#@\s]+/?")
_REGION: Final = re.compile(r"[a-z0-9-]{1,40}")
_CODE: Final = re.compile(r"[A-Za-z0-9.]{1,60}")
_PAIR: Final = ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")
_CONNECT_S: Final = 10.0
_READ_S: Final = 30.0
_RANGE_S: Final = 300.0
"""Seconds that a range may take in all, however slowly it drips."""
WAITS_S: Final = (0.5, 2.0, 8.0)
"""Waits between the tries of one request that a store was too busy for, or did not answer."""
_BUSY: Final = (408, 429, 500, 502, 503, 504)
_ANSWER_MOST: Final = 16 << 20
"""Bytes of a listing that are read at most; a page of 1,000 long names has about one million."""
AGAIN: Final = "run it again when it answers"
REPLACED: Final = "{} was replaced while it was read"


class StoreAnswer(NamedTuple):
    """What a store answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """One object store as the environment describes it, and the hosts that may be reached."""

    endpoint: str
    region: str
    keys: S3Keys | None
    allow: tuple[str, ...]

    @classmethod
    def of(cls, allow: Sequence[str]) -> ObjectStore:
        """Look into the environment; InputError for what is no endpoint or half a pair of keys."""
        address, region = endpoint()
        access, secret = (os.environ.get(f"AWS_{name}", "") for name in _PAIR)
        if bool(access) != bool(secret):
            there, absent = _PAIR if access else _PAIR[::-1]
            cure = "an object store needs both, or neither where it is public"
            raise InputError(f"AWS_{there} is set and AWS_{absent} is not", cure=cure)
        token = os.environ.get("AWS_SESSION_TOKEN") or None
        keys = S3Keys(access, secret, token) if access else None
        return cls(address, region, keys, tuple(allow))

    def ask(
        self,
        client: httpx.Client,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] = {},
        headers: Mapping[str, str] = {},
        most: int = _ANSWER_MOST,
    ) -> StoreAnswer:
        """Ask until there is an answer, at most so many times; OutsideError where there is none."""
        for wait in (*WAITS_S, None):
            try:
                answer = self._once(client, method, path, query, headers, most)
            except OutsideError:
                if wait is None:
                    raise
            else:
                if wait is None or answer.status not in _BUSY:
                    return answer
            time.sleep(wait)
        raise AssertionError("the last try returns or raises")

    def _once(
        self,
        client: httpx.Client,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        most: int,
    ) -> StoreAnswer:
        import httpx

        host = re.sub(r"(^http:.*):80$|(^https:.*):443$", r"\1\2", self.endpoint).partition("//")[2]
        sent = {**headers, "accept-encoding": "identity"}
        if self.keys is not None:
            sent = sign(
                method,
                host,
                path,
                query=query,
                headers=sent,
                keys=self.keys,
                region=self.region,
                now=datetime.now(UTC),
            )
        text = query_text(query)
        url, began = f"{self.endpoint}{path}{'?' if text else ''}{text}", time.monotonic()
        try:
            with client.stream(method, url, headers=sent) as answer:
                body = bytearray()
                for chunk in answer.iter_raw():
                    body += chunk
                    if len(body) > most or time.monotonic() - began > _RANGE_S:
                        raise OutsideError(f"{host} answers too much, or too slowly", cure=AGAIN)
                return StoreAnswer(answer.status_code, answer.headers, bytes(body))
        except httpx.TransportError as error:
            cause = "time-out" if isinstance(error, httpx.TimeoutException) else "no connection"
            raise OutsideError(f"{host}: {cause} ({type(error).__name__})", cure=AGAIN) from None

    def client(self) -> httpx.Client:
        """Open a client once [network] was asked; InputError where the host is not allowed."""
        import httpx

        require_allowed(self.endpoint, self.allow)
        secure = self.endpoint.startswith("https:")
        return httpx.Client(
            timeout=httpx.Timeout(_READ_S, connect=_CONNECT_S),
            follow_redirects=False,
            trust_env=False,
            verify=_certificates() if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        )


def endpoint() -> tuple[str, str]:
    """Say where the object store is, and in which region: (address, region)."""
    named = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    if not _REGION.fullmatch(named):
        raise InputError(f"AWS_REGION names no region: {named!r:.60}", cure="such as eu-west-1")
    variable = next(
        (n for n in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL") if os.environ.get(n)), None
    )
    if variable is None:
        return f"https://s3.{named}.amazonaws.com", named
    if not _ENDPOINT.fullmatch(os.environ[variable]):
        raise InputError(
            f"{variable} is no address of an object store",
            cure="write https://host or https://host:port",
        )
    return os.environ[variable].rstrip("/").lower(), named


def refusal(answer: StoreAnswer, source: str, store: ObjectStore) -> LeadScoreError:
    """Say why a store does not give what it was asked for, without anything secret."""
    code, region = _said(answer)
    told = f"HTTP {answer.status}{' ' if code else ''}{code}"
    host = store.endpoint.partition("//")[2]
    if region not in ("", store.region) and answer.status in (301, 307, 308, 400):
        cure = f"export AWS_REGION={region}, and allow the host of that region"
        return InputError(f"the bucket is in region {region}", file=source, cure=cure)
    if 300 <= answer.status < 400:
        cure = "set AWS_ENDPOINT_URL, or AWS_REGION, to where the bucket is"
        return InputError(f"{host} sends elsewhere ({told})", file=source, cure=cure)
    if answer.status == 404:
        cause = "no such bucket" if code == "NoSuchBucket" else "no such object"
        return InputError(cause, file=source, cure="correct `source` in the project file")
    if answer.status in (401, 403) or code in ("ExpiredToken", "InvalidToken"):
        cure = (
            "export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            if store.keys is None
            else "look at the keys in the environment, and at what they may read"
        )
        return OutsideError(f"{source}: no right to read it ({told})", cure=cure)
    if answer.status == 412:
        return OutsideError(REPLACED.format(source), cure="run it again")
    return OutsideError(f"{source}: {host} answers {told}", cure=AGAIN)


def _said(answer: StoreAnswer) -> tuple[str, str]:
    """Read the code of an error, and the region that it names; "" for none."""
    code = ""
    region = answer.headers.get("x-amz-bucket-region", "")
    try:
        page = parsed(answer.body)
        code = page.findtext("{*}Code", "")
        region = region or page.findtext("{*}Region", "")
    except ValueError:
        pass
    return (
        code if _CODE.fullmatch(code) else "",
        region if _REGION.fullmatch(region) else "",
    )


def parsed(body: bytes) -> ElementTree.Element:
    """Parse an answer; ValueError for no XML, or for entities, which may be made to explode."""
    if b"<!" in body:
        raise ValueError("declares entities")
    try:
        return ElementTree.fromstring(body)
    except ElementTree.ParseError as error:
        raise ValueError(str(error)) from None


@cache
def _certificates() -> ssl.SSLContext:
    """Load the certificates that vouch for stores, once; SSL_CERT_FILE names others."""
    import httpx

    return httpx.create_ssl_context()
