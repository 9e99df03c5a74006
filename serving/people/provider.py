"""OpenID Connect: the authorization code flow with PKCE, state and nonce.

A handshake is kept for ten minutes under the hash of its state, bound to the browser that began it
by a cookie, and used once. Every address of the provider has to be an allowed host.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from data.durations import MINUTE, SECOND
from data.errors import OutsideError
from data.network import require_allowed
from data.schema_people import PeopleSection
from serving.people.people_store import opened
from serving.people.sessions import digest_of

_DESCRIPTION: Final = ".well-known/openid-configuration"
LASTS: Final = 10 * MINUTE
MOST: Final = 10_000
"""So many sign-ins may be open at once; older ones are given up."""
SKEW_S: Final = 60
"""Seconds by which the provider's clock may differ from ours."""
ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
"""Signatures by the provider's own key; none that our secret could make, and never "none"."""


class HandshakeError(Exception):
    """A sign-in at the provider that cannot be finished: begin again."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """A sign-in that has begun: where the browser is sent, and the cookie that it keeps."""

    url: str
    browser: str


@dataclass(frozen=True, slots=True)
class Provider:
    """The provider that the project file names, as it describes itself."""

    section: PeopleSection
    file: Path
    allow: tuple[str, ...]

    def begin(self, *, goes_to: str, at: int) -> Handshake:
        """Begin a sign-in; OutsideError where the provider does not answer."""
        described = self._described()
        state, browser, nonce, verifier = (secrets.token_urlsafe(48) for _ in range(4))
        with opened(self.file) as connection:
            connection.execute("delete from handshakes where ends_at <= ?", (at,))
            connection.execute(
                "delete from handshakes where rowid <= (select max(rowid) from handshakes) - ?",
                (MOST,),
            )
            connection.execute(
                "insert into handshakes values (?, ?, ?, ?, ?, ?)",
                (digest_of(state), digest_of(browser), nonce, verifier, goes_to, at + LASTS),
            )
        url = prepare_grant_uri(
            described["authorization_endpoint"],
            client_id=self.section.client_id,
            response_type="code",
            redirect_uri=self._returns_to,
            scope="openid email profile",
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        return Handshake(url, browser)

    def finish(self, answer: Mapping[str, str], browser: str, at: int) -> tuple[str, str]:
        """Finish a sign-in with what the browser brings back: (name of the user, where to go on).

        HandshakeError where it was not begun here by this browser, or the provider refused;
        OutsideError where the provider does not answer as it should.
        """
        nonce, verifier, goes_to = self._take(answer.get("state", ""), browser, at)
        if "code" not in answer:
            raise HandshakeError("the provider did not sign the person in")
        if answer.get("iss", self.section.issuer) != self.section.issuer:
            raise HandshakeError("another provider answered")
        described = self._described()
        tokens = self._redeem(described, answer["code"], verifier)
        return self._name(described, tokens, nonce, at), goes_to

    @property
    def _returns_to(self) -> str:
        return f"{str(self.section.url).rstrip('/')}/oidc/callback"

    def _take(self, state: str, browser: str, at: int) -> tuple[str, str, str]:
        """Take a handshake out: it serves once."""
        with opened(self.file) as connection:
            row = connection.execute(
                "delete from handshakes where state = ? and browser = ? and ends_at > ?"
                " returning nonce, verifier, goes_to",
                (digest_of(state), digest_of(browser), at),
            ).fetchone()
        if row is None:
            raise HandshakeError("no sign-in was begun here")
        return row[0], row[1], row[2]

    def _described(self) -> dict[str, Any]:
        """Fetch what the provider says of itself; its name must be the one we were given."""
        described = self._fetch(f"{str(self.section.issuer).rstrip('/')}/{_DESCRIPTION}")
        if described.get("issuer") != self.section.issuer:
            raise OutsideError(f"{self.section.issuer} calls itself by another name")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not isinstance(described.get(name), str):
                raise OutsideError(f"{self.section.issuer} does not say its {name}")
            if str(self.section.issuer).startswith("https:") > described[name].startswith("https:"):
                raise OutsideError(f"{self.section.issuer} offers its {name} without TLS")
        return described

    def _redeem(self, described: Mapping[str, Any], code: str, verifier: str) -> dict[str, Any]:
        """Exchange the code for tokens, with our secret where there is one."""
        named = self.section.client_secret
        secret = "" if named is None else os.environ.get(named, "")
        if named is not None and not secret:
            raise OutsideError(f"the environment variable {named} with our secret is not set")
        offered = described.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        basic = "client_secret_basic" in offered
        method = "none" if not secret else "client_secret_basic" if basic else "client_secret_post"
        uri, headers, body = ClientAuth(self.section.client_id, secret, method).prepare(
            "POST",
            described["token_endpoint"],
            {"Content-Type": "application/x-www-form-urlencoded"},
            prepare_token_request(
                "authorization_code",
                code=code,
                redirect_uri=self._returns_to,
                code_verifier=verifier,
            ),
        )
        return self._fetch(uri, headers=headers, form=body)

    def _name(
        self, described: Mapping[str, Any], tokens: Mapping[str, Any], nonce: str, at: int
    ) -> str:
        """Check the identity token by the provider's keys and read the name of the user."""
        offered = described.get("id_token_signing_alg_values_supported") or ["RS256"]
        try:
            keys = KeySet.import_key_set(self._fetch(described["jwks_uri"]))  # type: ignore[arg-type]
            token = jwt.decode(
                str(tokens.get("id_token", "")), keys, algorithms=sorted(ALGORITHMS & set(offered))
            )
            claims = CodeIDToken(
                token.claims,
                token.header,
                options={
                    "iss": {"essential": True, "value": self.section.issuer},
                    "aud": {"essential": True, "value": self.section.client_id},
                },
                params={
                    "nonce": nonce,
                    "client_id": self.section.client_id,
                    "access_token": tokens.get("access_token"),
                },
            )
            claims.validate(now=at // SECOND, leeway=SKEW_S)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise OutsideError(f"the identity token is not valid: {type(error).__name__}") from None
        name = claims.get(self.section.claim)
        if not isinstance(name, str) or not name:
            raise HandshakeError(f"the provider does not say {self.section.claim}")
        if self.section.claim == "email" and claims.get("email_verified") is not True:
            raise HandshakeError("the provider has not verified the e-mail address")
        return name

    def _fetch(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        form: str | None = None,
    ) -> dict[str, Any]:
        """Ask an allowed host for a JSON object; OutsideError where it gives none."""
        require_allowed(url, self.allow)
        try:
            answer = httpx.request(
                "GET" if form is None else "POST",
                url,
                headers=headers,
                content=form,
                timeout=10,
                trust_env=False,  # a proxy would learn code and secret, allowed or not
                verify=httpx.create_ssl_context(),  # SSL_CERT_FILE may name other certificates
            )
            found = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise OutsideError(f"{url} does not answer: {type(error).__name__}") from None
        if answer.status_code != 200 or not isinstance(found, dict):
            raise OutsideError(f"{url} answered {answer.status_code}")
        return found
