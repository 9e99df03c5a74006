"""One HTTP client for all CRMs: gives JSON, or a `CrmError` that says what was applied."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx

from data.network import require_allowed
from serving.crm.interface import Busy, CrmError, Denied, Refused, Unsure

_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_BUSY: Final = (423, 429, 503)
_REFUSED: Final = (400, 409, 413, 422)


class Http:
    """Client of one CRM: allow-listed host, time-outs, no redirects, login renewed once on 401."""

    def __init__(
        self,
        url: str,
        allow: Sequence[str],
        *,
        login: Callable[[Http], Mapping[str, str]],
        timeout_s: float = 10.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = require_allowed(url, allow).rstrip("/")
        # Loading the certificates takes longer than a small run; plain HTTP needs none.
        verify: ssl.SSLContext | bool = (
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if url.startswith("http://") else True
        )
        self._client = httpx.Client(
            timeout=timeout_s,
            follow_redirects=False,
            verify=verify,
            transport=transport,
            trust_env=False,
        )
        self._login, self._headers = login, dict[str, str]()

    def post(self, path: str, body: object) -> Any:
        """Post JSON and return the JSON answered; logs in where needed."""
        return self.ask("POST", path, body)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Send a request with the login's headers; an expired token is renewed once."""
        answer = self.raw(method, path, body, self.headers())
        if answer.status_code == 401:
            answer = self.raw(method, path, body, self._log_in())
        return parse(answer)

    def headers(self) -> Mapping[str, str]:
        """Return the login's headers, logging in first where that was not done."""
        return self._headers or self._log_in()

    def _log_in(self) -> Mapping[str, str]:
        """Log in; what is refused here are the credentials, not a row."""
        try:
            self._headers = dict(self._login(self))
        except Refused as error:
            raise Denied(f"login: {error}") from None
        except (LookupError, TypeError, ValueError):
            raise Denied("login: an answer without a token") from None
        return self._headers

    def raw(
        self,
        method: str,
        path: str,
        body: object,
        headers: Mapping[str, str],
        form: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send one request as it is; connection failures become `Busy` or `Unsure`."""
        url = path if path.startswith(("http://", "https://")) else f"{self.url}{path}"
        text = body if isinstance(body, str) else None
        try:
            return self._client.request(
                method,
                url,
                json=None if text is not None else body,
                content=text,
                data=dict(form) if form else None,
                headers=headers,
            )
        except _NOT_SENT as error:
            raise Busy(f"no connection: {type(error).__name__} {error}") from None
        except httpx.RequestError as error:
            raise Unsure(f"no answer: {type(error).__name__}") from None

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def parse(answer: httpx.Response) -> Any:
    """Read an answer as JSON, or raise what its status means."""
    status = answer.status_code
    if 200 <= status < 300:
        try:
            return answer.json() if answer.content else None
        except ValueError:
            raise Unsure(f"an answer ({status}) that is no JSON") from None
    raise failure(status, failure_text(answer), retry_after(answer.headers))


def failure(status: int, text: str, wait: float | None = None) -> CrmError:
    """Tell what a status means for the request.

    >>> type(failure(503, "")).__name__, type(failure(500, "")).__name__
    ('Busy', 'Unsure')
    """
    message = f"HTTP {status} {text}".rstrip()
    if status in _BUSY:
        return Busy(message, retry_after=wait)
    if status in _REFUSED:
        return Refused(message)
    if status >= 500 or status == 408:
        return Unsure(message)
    return Denied(message)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After, seconds or a date, as seconds from now; at most ten minutes."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        wait = float(text)
    except ValueError:
        try:
            wait = parsedate_to_datetime(text).timestamp() - time.time()
        except ValueError:
            return None
    return min(max(wait, 0.0), 600.0)


def failure_text(answer: httpx.Response) -> str:
    """Cut the text of a failure to one short line."""
    return " ".join(answer.text.split())[:200]


def rows_of(body: Any) -> list[dict[str, Any]]:
    """Find the list of results in an answer; anything else cannot be trusted."""
    rows = body.get("results") if isinstance(body, dict) else None
    if not isinstance(rows, list) or not all(isinstance(each, dict) for each in rows):
        raise Unsure("an answer without results")
    return rows


def results(body: Any) -> list[dict[str, Any]]:
    """Find the results of an answer that have an id."""
    return [each for each in rows_of(body) if each.get("id") is not None]
