"""Where a request comes from: the client's address, our own address, and who sent the browser.

Headers that a reverse proxy adds are believed only where the connection comes from an address that
the project file names.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from data.schema_people import PeopleSection

_PATH: Final = re.compile(r"/(?![/\\])[^\x00-\x20\x7f\\]*")
_DOORS: Final = ("/login", "/logout", "/oidc")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def own_path(text: str | None) -> str:
    """Keep a path of these pages to go on to; "/" for any other place and for signing in and out.

    >>> own_path("/lead/1?tab=why"), own_path("//evil.example"), own_path("/login?next=/")
    ('/lead/1?tab=why', '/', '/')
    """
    text = text or "/"
    if len(text) > 2_000 or not _PATH.fullmatch(text) or text.startswith(_DOORS):
        return "/"
    return text


@dataclass(frozen=True, slots=True)
class Origins:
    """What the project file says of our own address and of the reverse proxies."""

    url: str | None
    proxies: tuple[Network, ...]

    @classmethod
    def of(cls, section: PeopleSection) -> Origins:
        """Read the section of the project file."""
        url = None if section.url is None else section.url.rstrip("/").lower()
        return cls(url, tuple(map(ipaddress.ip_network, section.proxies)))

    def is_from_proxy(self, request: Request) -> bool:
        """Tell whether the connection itself comes from a named reverse proxy."""
        return self._is_proxy("" if request.client is None else request.client.host)

    def address(self, request: Request) -> str:
        """Give the client's address: behind a named proxy the last one that is no proxy."""
        address = "" if request.client is None else request.client.host
        given = ",".join(request.headers.getlist("x-forwarded-for"))
        for before in reversed(given.split(",") if given else []):
            if not self._is_proxy(address):
                break
            address = before.strip()
        return address[:100]

    def is_secure(self, request: Request) -> bool:
        """Tell whether the browser speaks TLS, to us or to the proxy."""
        if self.url is not None:
            return self.url.startswith("https://")
        if self.is_from_proxy(request):
            scheme = request.headers.get("x-forwarded-proto", request.url.scheme)
            return scheme.strip().lower() == "https"
        return request.url.scheme == "https"

    def is_own(self, request: Request) -> bool:
        """Tell whether one of our own pages sent the request, as far as the browser says.

        A client that is no browser says nothing; it also brings no cookie that it did not mean to.
        """
        site = request.headers.get("sec-fetch-site")
        if site not in (None, "same-origin"):
            return False
        origin = request.headers.get("origin")
        if origin is None:
            return True
        if origin == "null":  # a page that names no referrer; sec-fetch-site says whose
            return site == "same-origin"
        if self.url is not None:
            return origin == self.url
        return origin.partition("://")[2] == request.headers.get("host")

    def _is_proxy(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        found = getattr(found, "ipv4_mapped", None) or found
        return any(found in network for network in self.proxies)
