"""The section of the project file that says how people sign in to the pages."""

from __future__ import annotations

import ipaddress
import re
from typing import Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from data.schema_types import Duration, Section, Variable

_ANCESTOR: Final = re.compile(
    r"'self'|https?://(\*\.)?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*(:[0-9]{1,5})?"
)
_BROWSERS: Final = re.compile(
    r"(?i)accept(-.*)?|authorization|cookie|content-.*|forwarded|from|host|origin|referer|user-agent"
    r"|sec-.*|via|x-forwarded-(for|host|port|proto|server)|x-real-ip"
)
"""Headers that a browser writes itself, or that say where it is: whoever calls could be anybody."""
_WIDEST: Final = {4: 8, 6: 16}
"""The widest networks of reverse proxies, as lengths of their prefix; 10.0.0.0/8 is one."""
_LOCAL: Final = ("localhost", "127.0.0.1", "::1")


class PeopleSection(Section):
    """Who opens the pages of `leadscore serve`, and how they sign in."""

    sign_in: Literal["local", "proxy", "oidc"] = "local"
    """Who checks the password: leadscore itself (`"local"`), the reverse proxy in front of it
    (`"proxy"`), or a provider of OpenID Connect (`"oidc"`). Users are added by `leadscore people
    add` in each case."""
    url: str | None = Field(default=None, examples=["https://leads.example.com"])
    """The address under which people open the pages, where a reverse proxy stands in front.
    `https://` makes cookies go over TLS only."""
    proxies: tuple[str, ...] = Field(default=(), examples=[["10.0.0.2", "127.0.0.1"]])
    """Addresses or networks of the reverse proxy: what it says of the user and of the client's
    address is believed, and from nobody else."""
    header: str = Field(default="X-Remote-User", pattern=r"^[A-Za-z0-9-]{1,100}$")
    """The header in which the reverse proxy names the user who has signed in there."""
    issuer: str | None = Field(default=None, examples=["https://login.example.com/realms/acme"])
    """The provider of OpenID Connect; `[network] allow` names its host."""
    client_id: str | None = Field(default=None, examples=["leadscore"])
    """Our name at the provider."""
    client_secret: Variable | None = Field(default=None, examples=["LEADSCORE_OIDC_SECRET"])
    """The environment variable that holds our secret at the provider. Left out: a public client."""
    claim: str = "email"
    """What the provider says of a person that is the name of the user here. An e-mail address
    counts only where the provider says that it has been verified."""
    session: Duration = Field(default="12h", gt=0)  # type: ignore[assignment]
    """How long a sign-in lasts."""
    frame_ancestors: tuple[str, ...] = Field(
        default=(), examples=[["https://acme.lightning.force.com"]]
    )
    """Sites that may show a lead's card in a frame. Left out: none."""

    @field_validator("frame_ancestors")
    @classmethod
    def _are_sites(cls, sites: tuple[str, ...]) -> tuple[str, ...]:
        for site in sites:
            if not _ANCESTOR.fullmatch(site):
                raise ValueError(f"is no site: {site!r}; write https://crm.example.com")
        return sites

    @field_validator("proxies")
    @classmethod
    def _are_addresses(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for text in proxies:
            try:
                network = ipaddress.ip_network(text)
            except ValueError:
                raise ValueError(
                    f"is no address or network: {text!r}; write 10.0.0.2 or 10.0.0.0/24"
                ) from None
            if network.prefixlen < _WIDEST[network.version]:
                raise ValueError(
                    f"believes whoever calls from {text!r}; name the addresses of the proxy"
                )
        return proxies

    @field_validator("header")
    @classmethod
    def _is_the_proxys(cls, header: str) -> str:
        if _BROWSERS.fullmatch(header):
            raise ValueError(
                f"is what any browser sends: {header!r}; name the one that the proxy sets"
            )
        return header

    @field_validator("url", "issuer")
    @classmethod
    def _is_address(cls, text: str | None) -> str | None:
        if text is None:
            return None
        parts = urlsplit(text)
        plain = parts.scheme in ("http", "https") and parts.hostname and not parts.username
        if not plain or parts.query or parts.fragment:
            raise ValueError(f"is no address: {text!r}; write https://leads.example.com")
        return text

    @model_validator(mode="after")
    def _complete(self) -> PeopleSection:
        if self.url is not None and urlsplit(self.url).path.strip("/"):
            raise ValueError(f"url has a path: {self.url!r}; the pages are at the root of a host")
        if self.sign_in == "proxy" and not self.proxies:
            raise ValueError('sign_in = "proxy" needs `proxies`: whose header may be believed')
        if self.sign_in == "oidc":
            missing = [n for n in ("issuer", "client_id", "url") if getattr(self, n) is None]
            if missing:
                raise ValueError(f'sign_in = "oidc" needs {", ".join(missing)}')
            issuer = urlsplit(str(self.issuer))
            if issuer.scheme != "https" and issuer.hostname not in _LOCAL:
                raise ValueError(f"issuer is not reached over TLS: {self.issuer!r}; write https://")
        return self
