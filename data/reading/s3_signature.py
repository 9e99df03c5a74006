"""A request to an object store -> the headers that sign it (AWS Signature Version 4).

Only reading requests are signed, which have no body. The secret key goes into the signature alone.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from urllib.parse import quote

_NO_BODY: Final = hashlib.sha256(b"").hexdigest()
_KIND: Final = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class S3Keys:
    """The credentials of an object store; nothing that shows an instance shows them."""

    access: str = field(repr=False)
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


def quoted_path(path: str) -> str:
    """Write a path as it goes over the wire and into the signature."""
    return quote(path, safe="/-_.~")


def query_text(query: Mapping[str, str]) -> str:
    """Write parameters in the order of their names.

    >>> query_text({"prefix": "a b/", "list-type": "2"})
    'list-type=2&prefix=a%20b%2F'
    """
    pairs = sorted((quote(name, safe="-_.~"), quote(query[name], safe="-_.~")) for name in query)
    return "&".join(f"{name}={value}" for name, value in pairs)


def sign(
    method: str,
    host: str,
    path: str,
    *,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    keys: S3Keys,
    region: str,
    now: datetime,
) -> dict[str, str]:
    """Give the headers to send, all of them signed; `path` is quoted, `now` is in UTC.

    Source: AWS, "Authenticating requests: using the Authorization header".
    """
    moment = now.strftime("%Y%m%dT%H%M%SZ")
    sent = {name.lower(): value for name, value in headers.items()}
    sent |= {"host": host, "x-amz-date": moment, "x-amz-content-sha256": _NO_BODY}
    if keys.token:
        sent["x-amz-security-token"] = keys.token
    names = ";".join(sorted(sent))
    lines = [f"{name}:{sent[name].strip()}" for name in sorted(sent)]
    asked = "\n".join([method, path, query_text(query), *lines, "", names, _NO_BODY])
    scope = f"{moment[:8]}/{region}/s3/aws4_request"
    digest = hashlib.sha256(asked.encode()).hexdigest()
    signature = _keyed(
        [f"AWS4{keys.secret}", *scope.split("/")], f"{_KIND}\n{moment}\n{scope}\n{digest}"
    )
    credential = f"{keys.access}/{scope}"
    sent["authorization"] = (
        f"{_KIND} Credential={credential},SignedHeaders={names},Signature={signature}"
    )
    return sent


def _keyed(parts: Sequence[str], text: str) -> str:
    """Derive the key of a day, region and service from the secret, and sign a text with it."""
    key = parts[0].encode()
    for part in parts[1:]:
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()
