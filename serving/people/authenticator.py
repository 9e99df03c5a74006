"""Who looks at a page: by a session's cookie, the named proxy's header, or a card's token."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import quote

from fastapi import APIRouter
from fastapi.requests import Request
from starlette.exceptions import HTTPException

from data.network import require_named
from data.schema import Project
from serving.people.card_tokens import sign_card, viewer_of_card
from serving.people.lead_audit import note_act
from serving.people.origins import Origins, own_path
from serving.people.people_store import find_user, opened, viewer_of
from serving.people.sessions import viewer_in_session
from serving.people.viewer import Viewer
from training.state import StatePaths

COOKIE: Final = "leadscore"


class Authenticator:
    """Tells who looks at the pages of one project, and what they may: made once by `serve`.

    `clock` gives microseconds UTC. InputError where the provider's host is not allowed.
    """

    def __init__(self, project: Project, state: StatePaths, clock: Callable[[], int]) -> None:
        from serving.people.sign_in_routes import make_router

        self.section = project.people
        self.title = project.report.title or project.project.name
        self.language = project.report.languages[0]
        self.file: Path = state.people
        self.clock = clock
        self.allow = project.network.allow
        self.origins = Origins.of(project.people)
        if self.section.sign_in == "oidc":
            require_named(str(self.section.issuer), self.allow)
        self.router: APIRouter = make_router(self)

    @property
    def frame_ancestors(self) -> str:
        """Give the value of the directive `frame-ancestors` of a card; other pages say 'none'."""
        return " ".join(self.section.frame_ancestors) or "'none'"

    def viewer(self, request: Request) -> Viewer | None:
        """Find who looks at a page; None where nobody is signed in."""
        if self.section.sign_in == "proxy":
            return self._named_by_proxy(request)
        session = request.cookies.get(self.cookie_name(request))
        return None if session is None else viewer_in_session(self.file, session, self.clock())

    def require(self, request: Request) -> Viewer:
        """Find who looks; else a page goes to /login (303), and a fetch is refused with 401."""
        viewer = self.viewer(request)
        if viewer is not None:
            return viewer
        accepts = request.headers.get("accept", "")
        mode = request.headers.get("sec-fetch-mode", "navigate")
        if request.method in ("GET", "HEAD") and mode == "navigate" and "text/html" in accepts:
            path = request.scope.get("raw_path") or quote(request.url.path).encode()
            here = path.decode("latin-1") + (f"?{request.url.query}" if request.url.query else "")
            place = f"/login?next={quote(own_path(here), safe='/')}"
            raise HTTPException(303, "sign in", {"Location": place, "Cache-Control": "no-store"})
        raise HTTPException(401, "sign in", {"Cache-Control": "no-store"})

    def check_write(self, request: Request, viewer: Viewer, token: str) -> None:
        """Refuse a write with 403: of a reader, without the session's token, from another site."""
        if not viewer.writes:
            raise HTTPException(403, "you may look, not write")
        if not hmac.compare_digest(token.encode(), viewer.csrf.encode()):
            raise HTTPException(403, "the page is out of date: load it again")
        if not self.origins.is_own(request):
            raise HTTPException(403, "the request comes from another site")

    def audit(self, viewer: Viewer, action: str, lead_id: str | None, at: int) -> None:
        """Note what a viewer did; the lead is kept as a keyed hash."""
        note_act(self.file, viewer.name, action, lead_id, at)

    def card_token(self, viewer: Viewer, lead_id: str, at: int) -> str:
        """Make the token of a card: for this viewer and lead, ten minutes; "" once removed."""
        user = find_user(self.file, viewer.name)
        return "" if user is None else sign_card(user, lead_id, at)

    def read_card_token(self, token: str, lead_id: str, at: int) -> Viewer | None:
        """Find who may look at a card by its token; such a viewer writes nothing."""
        return viewer_of_card(self.file, token, lead_id, at)

    def cookie_name(self, request: Request) -> str:
        """Name the session's cookie; over TLS browsers keep it for this very host (`__Host-`)."""
        return f"__Host-{COOKIE}" if self.origins.is_secure(request) else COOKIE

    def _named_by_proxy(self, request: Request) -> Viewer | None:
        """Find the user whom the named proxy says; a header from anywhere else says nothing."""
        names = request.headers.getlist(self.section.header)
        if len(names) != 1 or not self.origins.is_from_proxy(request):
            return None
        try:
            name = names[0].encode("latin-1").decode("utf-8")  # headers come as Latin-1
        except UnicodeDecodeError:
            return None
        user = find_user(self.file, name)
        if user is None:
            return None
        csrf = hmac.new(user.secret, b"csrf", hashlib.sha256).hexdigest()
        with opened(self.file) as connection:
            return viewer_of(connection, user, csrf=csrf)
