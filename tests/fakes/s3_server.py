"""A small object store on a loopback port that keeps to the contract of Amazon S3.

It serves what a reader asks for: objects by GET (whole, or a range) and HEAD, with If-Match, and
ListObjectsV2 page by page. It checks each signature by its own reckoning, refuses with S3's codes,
and can be told to fail. Arrow's client of S3 reads from it as well: a test holds it against that.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.sax.saxutils import escape

ACCESS, SECRET, REGION = "AKIAREADER", "a-secret+that/nobody=sees", "eu-test-1"
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


@dataclass
class S3Server:
    """Buckets of objects, and how they are served; `asked` notes each request."""

    buckets: dict[str, dict[str, bytes]] = field(default_factory=lambda: {"acme": {}})
    page: int = 1_000  # keys on a page of a listing
    public: bool = False
    may_read: bool = True
    asked: list[tuple[str, str, str]] = field(default_factory=list)  # method, path, range
    faults: list[str] = field(default_factory=list)  # for the next requests, one each
    before_get: list[tuple[str, bytes]] = field(
        default_factory=list
    )  # replaced before the next GET
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        """Say what points a reader here."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ENDPOINT_URL_S3": "",
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCESS,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_SESSION_TOKEN": "",
        }

    def put(self, key: str, body: bytes, bucket: str = "acme") -> None:
        self.buckets[bucket][key] = body

    def fetched(self) -> dict[str, int]:
        """Count the bytes that were read of each key since the last time."""
        counts: dict[str, int] = {}
        for method, path, asked in self.asked:
            if method == "GET" and asked:
                first, last = asked.removeprefix("bytes=").split("-")
                key = unquote(path).split("/", 2)[2]
                counts[key] = counts.get(key, 0) + int(last) - int(first) + 1
        self.asked.clear()
        return counts


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Serve until the block ends."""
    state = S3Server()

    class Handler(_Handler):
        s3 = state

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    s3: S3Server

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self._serve()

    def do_GET(self) -> None:
        self._serve()

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        self.s3.asked.append((self.command, parts.path, self.headers.get("range", "")))
        if self.s3.faults:
            fault = self.s3.faults.pop(0)
            if fault == "hang":
                time.sleep(1.5)
                return self.close_connection_now()
            if fault == "drop":
                return self.close_connection_now()
            if fault == "redirect":
                return self._answer(307, b"", {"location": f"{self.s3.url}/elsewhere"})
            if fault:
                status, _, code = fault.partition(" ")
                return self._refuse(int(status), code or "Busy")
        refused = None if self.s3.public and "authorization" not in self.headers else self._judge()
        if refused is not None:
            return self._refuse(*refused)
        bucket, _, key = unquote(parts.path).removeprefix("/").partition("/")
        objects = self.s3.buckets.get(bucket)
        if objects is None:
            return self._refuse(404, "NoSuchBucket")
        if not self.s3.may_read:
            return self._refuse(403, "AccessDenied")
        if not key:
            return self._list(bucket, objects, dict(parse_qsl(parts.query, keep_blank_values=True)))
        if self.command == "GET" and self.s3.before_get:
            self.s3.put(*self.s3.before_get.pop(0))
        if key not in objects:
            return self._refuse(404, "NoSuchKey")
        return self._object(objects[key])

    def close_connection_now(self) -> None:
        self.close_connection = True

    def _object(self, body: bytes) -> None:
        headers = {"etag": _etag(body), "last-modified": formatdate(1.7e9, usegmt=True)}
        headers["accept-ranges"] = "bytes"
        wanted = self.headers.get("if-match")
        if wanted not in (None, "*", headers["etag"]):
            return self._refuse(412, "PreconditionFailed")
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("range", ""))
        if asked is None:
            return self._answer(200, body, headers)
        first, last = int(asked[1]), int(asked[2] or len(body) - 1)
        if first >= len(body):
            return self._refuse(416, "InvalidRange")
        part = body[first : last + 1]
        headers["content-range"] = f"bytes {first}-{first + len(part) - 1}/{len(body)}"
        return self._answer(206, part, headers)

    def _list(self, bucket: str, objects: dict[str, bytes], query: dict[str, str]) -> None:
        if query.get("list-type") != "2":
            return self._refuse(400, "InvalidRequest")
        prefix, after = query.get("prefix", ""), query.get("continuation-token", "")
        keys = sorted(key for key in objects if key.startswith(prefix) and key > after)
        shown, more = keys[: self.s3.page], len(keys) > self.s3.page
        contents = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2023-11-14T22:13:20.000Z"
            f"</LastModified><ETag>{escape(_etag(objects[key]))}</ETag>"
            f"<Size>{len(objects[key])}</Size><StorageClass>STANDARD</StorageClass></Contents>"
            for key in shown
        )
        token = (
            f"<NextContinuationToken>{escape(shown[-1])}</NextContinuationToken>" if more else ""
        )
        text = (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="{_NAMESPACE}">'
            f"<Name>{bucket}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{len(shown)}</KeyCount>"
            f"<MaxKeys>1000</MaxKeys><IsTruncated>{str(more).lower()}</IsTruncated>{contents}{token}"
            "</ListBucketResult>"
        )
        return self._answer(200, text.encode(), {"content-type": "application/xml"})

    def _judge(self) -> tuple[int, str] | None:
        """Check the signature as AWS describes it; None where it is right."""
        said = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=([^/,]+)/(\d{8})/([^/]+)/s3/aws4_request,\s*"
            r"SignedHeaders=([^,]+),\s*Signature=([0-9a-f]{64})",
            self.headers.get("authorization", ""),
        )
        if said is None:
            return 403, "AccessDenied"
        access, day, region, names, signature = said.groups()
        if access != ACCESS:
            return 403, "InvalidAccessKeyId"
        if region != REGION:
            return 400, "AuthorizationHeaderMalformed"
        if not {"host", "x-amz-date", "x-amz-content-sha256"} <= set(names.split(";")):
            return 403, "AccessDenied"
        parts = urlsplit(self.path)
        pairs = sorted(
            (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
            for name, value in parse_qsl(parts.query, keep_blank_values=True)
        )
        lines = [f"{name}:{' '.join(self.headers[name].split())}\n" for name in names.split(";")]
        asked = "\n".join(
            [
                self.command,
                quote(unquote(parts.path), safe="/-_.~"),
                "&".join(f"{name}={value}" for name, value in pairs),
                "".join(lines),
                names,
                self.headers["x-amz-content-sha256"],
            ]
        )
        scope = f"{day}/{region}/s3/aws4_request"
        moment = self.headers["x-amz-date"]
        text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(asked.encode()).hexdigest()}"
        key = f"AWS4{SECRET}".encode()
        for part in (day, region, "s3", "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        own = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        return None if own == signature else (403, "SignatureDoesNotMatch")

    def _refuse(self, status: int, code: str) -> None:
        region = f"<Region>{REGION}</Region>" if code == "AuthorizationHeaderMalformed" else ""
        text = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{code}</Code><Message>told at length, with {ACCESS} in it</Message>"
            f"{region}<RequestId>1</RequestId></Error>"
        )
        self._answer(status, text.encode(), {"content-type": "application/xml"})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in (headers | {"content-length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
