"""Tokens of a card: read-only, of one lead, one viewer and ten minutes, for an iframe in the CRM.

An iframe of another site gets no cookie, so that the address itself has to open the card. The
token names the viewer and its end; lead and viewer's own secret go into the signature, so that it
opens no other lead, and nothing once the user is revoked.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from pathlib import Path
from typing import Final

from data.durations import MINUTE
from serving.people.people_store import User, find_user, opened, viewer_of
from serving.people.viewer import Viewer

LASTS: Final = 10 * MINUTE
_MOST: Final = 2_000


def sign_card(user: User, lead_id: str, at: int) -> str:
    """Sign a token for a user and a lead, from a moment on."""
    body = f"{at + LASTS} {user.name}".encode()
    return f"{_text(body)}.{_text(_signature(user, lead_id, body))}"


def viewer_of_card(file: Path, token: str, lead_id: str, at: int) -> Viewer | None:
    """Read a token: who may look at this lead, without writing; None where it is not valid."""
    try:
        body, signature = (_bytes(part) for part in token[:_MOST].split("."))
        until, _, name = body.decode().partition(" ")
        ends_at = int(until)
    except ValueError:
        return None
    user = find_user(file, name)
    if user is None or not hmac.compare_digest(signature, _signature(user, lead_id, body)):
        return None
    if not ends_at - LASTS <= at < ends_at:
        return None
    with opened(file) as connection:
        return viewer_of(connection, user, csrf="")


def _signature(user: User, lead_id: str, body: bytes) -> bytes:
    lead = lead_id.encode("utf-8", "surrogatepass")
    message = b"card" + len(lead).to_bytes(8) + lead + body
    return hmac.new(user.secret, message, hashlib.sha256).digest()


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
