"""A provider of OpenID Connect on loopback: a contract server of the code flow with PKCE.

What the documents allow is answered as they say, anything else is refused as they say: client,
redirect address, code (once), verifier and secret are checked. It signs whoever `person` holds in
without asking. `wrong` names one thing that it does as it should not, to be caught by the client.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from joserfc import jws, jwt
from joserfc.jwk import OctKey, RSAKey

CLIENT, SECRET = "leadscore", "s3cret of the client"


@dataclass
class OidcProvider:
    person: dict[str, Any]
    redirect_uri: str
    url: str = ""
    wrong: str = ""
    says_nothing: bool = False  # null where the defaults of the documents hold
    now: int = field(default_factory=lambda: int(time.time()))
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "1"}))
    seen: list[str] = field(default_factory=list)

    def describe(self) -> dict[str, Any]:
        return {
            "issuer": "http://127.0.0.1:1" if self.wrong == "other issuer" else self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": "http://192.0.2.1/token"
            if self.wrong == "token endpoint elsewhere"
            else f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "id_token_signing_alg_values_supported": None
            if self.says_nothing
            else ["RS256", "HS256", "none"],
            "token_endpoint_auth_methods_supported": None
            if self.says_nothing
            else ["client_secret_basic"],
        }

    def authorize(self, query: dict[str, str]) -> str | None:
        """Where the browser is sent back to; None where the request is refused."""
        asked = (query.get("client_id"), query.get("redirect_uri"), query.get("response_type"))
        if asked != (CLIENT, self.redirect_uri, "code"):
            return None
        if query.get("code_challenge_method") != "S256" or "openid" not in query.get("scope", ""):
            return None
        code = secrets.token_urlsafe(16)
        self.codes[code] = query
        state = "another" if self.wrong == "state" else query.get("state", "")
        return f"{self.redirect_uri}?{urlencode({'code': code, 'state': state})}"

    def redeem(self, form: dict[str, str], authorization: str) -> dict[str, Any] | None:
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        asked = self.codes.pop(form.get("code", ""), None)
        if authorization != f"Basic {basic}" or asked is None:
            return None
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if challenge != asked["code_challenge"] or form.get("redirect_uri") != self.redirect_uri:
            return None
        return {
            "access_token": "a-token",
            "token_type": "Bearer",
            "id_token": self.identity(asked["nonce"]),
        }

    def identity(self, nonce: str) -> str:
        claims = {
            "iss": "http://127.0.0.1:1" if self.wrong == "iss" else self.url,
            "aud": "another client" if self.wrong == "aud" else CLIENT,
            "exp": self.now - 3_600 if self.wrong == "exp" else self.now + 300,
            "iat": self.now,
            "nonce": "another" if self.wrong == "nonce" else nonce,
            **self.person,
        }
        if self.wrong == "at_hash":
            claims["at_hash"] = "of another token"
        if self.wrong == "no signature":
            parts = [{"alg": "none"}, claims]
            texts = [base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=") for p in parts]
            return (b".".join(texts) + b".").decode()
        if self.wrong == "our secret signs":
            return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(SECRET))
        if self.wrong == "their public key signs":
            octets = OctKey.import_key(self.key.as_pem(private=False))
            return jws.serialize_compact({"alg": "HS256"}, json.dumps(claims), octets)
        key = RSAKey.generate_key(2048, {"kid": "1"}) if self.wrong == "other key" else self.key
        return jwt.encode({"alg": "RS256", "kid": "1"}, claims, key)


@contextmanager
def providing(provider: OidcProvider) -> Iterator[OidcProvider]:
    """Serve a provider on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            provider.seen.append(parts.path)
            if parts.path == "/.well-known/openid-configuration":
                self.reply(200, provider.describe())
            elif parts.path == "/jwks":
                self.reply(200, {"keys": [provider.key.as_dict(private=False)]})
            elif parts.path == "/authorize":
                place = provider.authorize(dict(parse_qsl(parts.query)))
                if place is None:
                    self.reply(400, {"error": "invalid_request"})
                else:
                    self.reply(302, {}, place)
            else:
                self.reply(404, {})

        def do_POST(self) -> None:
            provider.seen.append(self.path)
            raw = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
            given = self.headers.get("authorization", "")
            tokens = provider.redeem(dict(parse_qsl(raw)), given)
            self.reply(200, tokens) if tokens else self.reply(400, {"error": "invalid_grant"})

        def reply(self, status: int, said: object, place: str = "") -> None:
            data = json.dumps(said).encode()
            self.send_response(status)
            if place:
                self.send_header("location", place)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
