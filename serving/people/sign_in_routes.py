"""/login, /logout, /oidc and /account: from a name and a password, or a provider, to a session.

Where passwords are ours, who is signed in changes the own one on /account.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

from fastapi import APIRouter
from fastapi.requests import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from data.durations import SECOND
from data.errors import LeadScoreError
from serving.people.attempts import begin_attempt, end_attempt
from serving.people.lead_audit import note_act
from serving.people.origins import own_path
from serving.people.passwords import hash_password, is_password, weakness_of
from serving.people.people_store import User, change_password, find_user, opened
from serving.people.provider import HandshakeError, Provider
from serving.people.sessions import begin_session, end_session, viewer_in_session
from serving.people.sign_in_page import HEADERS, choose_language, policy, render_sign_in
from serving.people.viewer import Viewer

if TYPE_CHECKING:
    from serving.people.authenticator import Authenticator

HASHED_AT_ONCE: Final = 2
"""A password takes 64 MiB and some 50 ms to check; more at once would take the machine's memory."""


def make_router(authenticator: Authenticator) -> APIRouter:
    """Make the routes on which nobody has to be signed in, and the page that says who is."""
    router, by = APIRouter(include_in_schema=False), authenticator.section.sign_in
    pool = ThreadPoolExecutor(HASHED_AT_ONCE)
    sign_in, account = _SignIn(authenticator, pool), _Account(authenticator, pool)
    router.get("/login")(sign_in.show)
    router.get("/account")(account.show)
    if by != "proxy":
        router.post("/logout")(account.sign_out)
    if by == "local":
        router.post("/login")(sign_in.check)
        router.post("/account/password")(account.change_password)
    if by == "oidc":
        at_provider = _AtProvider(authenticator)
        router.get("/oidc/start")(at_provider.begin)
        router.get("/oidc/callback")(at_provider.finish)
    return router


async def read_form(request: Request) -> dict[str, str]:
    """Read the fields of a form; 400 where the body is none."""
    try:
        pairs = parse_qsl(
            (await request.body()).decode(),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=50,
        )
    except ValueError:
        raise HTTPException(400, "the body is no form") from None
    return dict(pairs)


class _Pages:
    """What the routes share: the page, its cookies, and the step into a session."""

    def __init__(self, authenticator: Authenticator) -> None:
        self.authenticator = authenticator

    def page(
        self,
        request: Request,
        status: int = 200,
        *,
        problem: str = "",
        seconds: int = 0,
        name: str = "",
        goes_to: str = "/",
    ) -> Response:
        """Answer with the page on which one signs in."""
        authenticator = self.authenticator
        language = choose_language(
            request.query_params.get("lang"),
            request.headers.get("accept-language", ""),
            authenticator.language,
        )
        local = authenticator.section.sign_in == "local"
        kept = request.cookies.get(self.cookie(request, "form")) or secrets.token_urlsafe(32)
        html = render_sign_in(
            authenticator.title,
            language,
            sign_in=authenticator.section.sign_in,
            problem=problem,
            seconds=seconds,
            name=name,
            token=self.form_token(kept) if local else "",
            goes_to=goes_to,
            provider=urlsplit(authenticator.section.issuer or "").hostname or "",
        )
        answer = self.html(html, status)
        if seconds:
            answer.headers["Retry-After"] = str(seconds)
        if local:
            self.set_cookie(request, answer, "form", kept)
        return answer

    def html(self, text: str, status: int = 200) -> Response:
        return HTMLResponse(text, status, {**HEADERS, "Content-Security-Policy": policy()})

    def go_to(self, place: str) -> Response:
        return RedirectResponse(place, 303, HEADERS)

    def cookie(self, request: Request, name: str) -> str:
        """Name a cookie: that of the session is "", "form" and "oidc" serve the way to it."""
        return self.authenticator.cookie_name(request) + (f"_{name}" if name else "")

    def set_cookie(self, request: Request, answer: Response, name: str, value: str) -> None:
        answer.set_cookie(
            self.cookie(request, name),
            value,
            path="/",
            secure=self.authenticator.origins.is_secure(request),
            httponly=True,
            samesite="lax",
        )

    def drop_cookie(self, request: Request, answer: Response, name: str) -> None:
        answer.delete_cookie(
            self.cookie(request, name),
            path="/",
            secure=self.authenticator.origins.is_secure(request),
            httponly=True,
            samesite="lax",
        )

    def form_token(self, kept: str) -> str:
        """Derive the form's token from the browser's cookie: another site cannot make a pair."""
        with opened(self.authenticator.file) as connection:
            key = connection.execute("select value from keys where name = 'form'").fetchone()[0]
        return hmac.new(key, b"form" + kept.encode(), hashlib.sha256).hexdigest()

    def enter(self, request: Request, user: User, goes_to: str) -> Response:
        """Begin a session of a new id, and end the one that the browser had."""
        authenticator, at = self.authenticator, self.authenticator.clock()
        before = request.cookies.get(self.cookie(request, ""))
        if before is not None:
            end_session(authenticator.file, before)
        session = begin_session(
            authenticator.file, user, at=at, ends_at=at + authenticator.section.session
        )
        note_act(authenticator.file, user.name, "sign in", None, at)
        answer = self.go_to(own_path(goes_to))
        self.set_cookie(request, answer, "", session)
        return answer


class _SignIn(_Pages):
    def __init__(self, authenticator: Authenticator, pool: ThreadPoolExecutor) -> None:
        super().__init__(authenticator)
        self.pool = pool

    async def show(self, request: Request) -> Response:
        goes_to = own_path(request.query_params.get("next"))
        if self.authenticator.viewer(request) is not None:
            return self.go_to(goes_to)
        return self.page(request, goes_to=goes_to)

    async def check(self, request: Request) -> Response:
        form = await read_form(request)
        goes_to, name = own_path(form.get("next")), form.get("name", "")[:200]
        kept = request.cookies.get(self.cookie(request, "form"), "")
        fits = hmac.compare_digest(form.get("token", "").encode(), self.form_token(kept).encode())
        if not (kept and fits and self.authenticator.origins.is_own(request)):
            return self.page(request, 403, problem="stale", name=name, goes_to=goes_to)
        loop, address = asyncio.get_running_loop(), self.authenticator.origins.address(request)
        user, wait = await loop.run_in_executor(
            self.pool, self._look, name, form.get("password", ""), address
        )
        if wait:
            seconds = -(-wait // SECOND)
            return self.page(
                request, 429, problem="wait", seconds=seconds, name=name, goes_to=goes_to
            )
        if user is None:
            return self.page(request, 401, problem="wrong", name=name, goes_to=goes_to)
        return self.enter(request, user, goes_to)

    def _look(self, name: str, password: str, address: str) -> tuple[User | None, int]:
        """Find the user whom name and password fit, or the time to wait; alike for all names."""
        file, at = self.authenticator.file, self.authenticator.clock()
        wait = begin_attempt(file, name, address, at)
        if wait:
            return None, wait
        user = find_user(file, name)
        if not is_password(None if user is None else user.password, password):
            note_act(file, "" if user is None else user.name, "sign-in refused", None, at)
            return None, 0
        end_attempt(file, name, address)
        return user, 0


class _Account(_Pages):
    def __init__(self, authenticator: Authenticator, pool: ThreadPoolExecutor) -> None:
        super().__init__(authenticator)
        self.pool = pool

    async def show(self, request: Request) -> Response:
        return self.told(self.authenticator.require(request))

    def told(
        self, viewer: Viewer, status: int = 200, *, problem: str = "", seconds: int = 0
    ) -> Response:
        """Answer with the page that says who is signed in, and what became of a new password."""
        html = render_sign_in(
            self.authenticator.title,
            viewer.language,
            sign_in=self.authenticator.section.sign_in,
            viewer=viewer,
            problem=problem,
            seconds=seconds,
        )
        answer = self.html(html, status)
        if seconds:
            answer.headers["Retry-After"] = str(seconds)
        return answer

    def check_form(self, request: Request, viewer: Viewer, token: str) -> None:
        """Refuse with 403 a form that is not the session's own, or comes from another site."""
        fits = hmac.compare_digest(token.encode(), viewer.csrf.encode())
        if not (fits and self.authenticator.origins.is_own(request)):
            raise HTTPException(403, "the page is out of date: load it again")

    async def change_password(self, request: Request) -> Response:
        """Take a new password from whoever knows the old one; all other sessions end."""
        authenticator = self.authenticator
        viewer, form = authenticator.require(request), await read_form(request)
        self.check_form(request, viewer, form.get("csrf", ""))
        old, new = form.get("old", ""), form.get("new", "")
        problem = "differ" if new != form.get("again", "") else weakness_of(new, viewer.name)
        if problem:
            return self.told(viewer, 422, problem=problem)
        loop, address = asyncio.get_running_loop(), authenticator.origins.address(request)
        wait, taken = await loop.run_in_executor(self.pool, self._change, viewer, old, new, address)
        if wait:
            return self.told(viewer, 429, problem="wait", seconds=-(-wait // SECOND))
        if not taken:
            return self.told(viewer, 403, problem="old")
        at = authenticator.clock()
        user = find_user(authenticator.file, viewer.name)
        if user is None:
            return self.go_to("/login")
        session = begin_session(
            authenticator.file, user, at=at, ends_at=at + authenticator.section.session
        )
        here = viewer_in_session(authenticator.file, session, at)
        answer = self.go_to("/login") if here is None else self.told(here, problem="changed")
        self.set_cookie(request, answer, "", session)
        return answer

    def _change(self, viewer: Viewer, old: str, new: str, address: str) -> tuple[int, bool]:
        """Change the password where the old one fits: the time to wait, and whether it did."""
        file, at = self.authenticator.file, self.authenticator.clock()
        wait = begin_attempt(file, viewer.name, address, at)
        if wait:
            return wait, False
        user = find_user(file, viewer.name)
        if not is_password(None if user is None else user.password, old):
            note_act(file, viewer.name, "password change refused", None, at)
            return 0, False
        end_attempt(file, viewer.name, address)
        change_password(file, viewer.name, hash_password(new, viewer.name))
        note_act(file, viewer.name, "password changed", None, at)
        return 0, True

    async def sign_out(self, request: Request) -> Response:
        authenticator, token = self.authenticator, (await read_form(request)).get("csrf", "")
        viewer = authenticator.viewer(request)
        if viewer is not None:
            self.check_form(request, viewer, token)
            end_session(authenticator.file, request.cookies[self.cookie(request, "")])
            authenticator.audit(viewer, "sign out", None, authenticator.clock())
        answer = self.go_to("/login")
        self.drop_cookie(request, answer, "")
        return answer


class _AtProvider(_Pages):
    def __init__(self, authenticator: Authenticator) -> None:
        super().__init__(authenticator)
        self.provider = Provider(authenticator.section, authenticator.file, authenticator.allow)

    async def begin(self, request: Request) -> Response:
        goes_to = own_path(request.query_params.get("next"))
        begin, at = self.provider.begin, self.authenticator.clock()
        try:
            handshake = await asyncio.to_thread(begin, goes_to=goes_to, at=at)
        except LeadScoreError:
            return self.page(request, 502, problem="silent", goes_to=goes_to)
        answer = self.go_to(handshake.url)
        self.set_cookie(request, answer, "oidc", handshake.browser)
        return answer

    async def finish(self, request: Request) -> Response:
        browser = request.cookies.get(self.cookie(request, "oidc"), "")
        given, at = dict(request.query_params), self.authenticator.clock()
        try:
            name, goes_to = await asyncio.to_thread(self.provider.finish, given, browser, at)
        except HandshakeError:
            return self.page(request, 403, problem="broken")
        except LeadScoreError:
            return self.page(request, 502, problem="silent")
        user = find_user(self.authenticator.file, name)
        if user is None:
            note_act(self.authenticator.file, "", "sign-in refused", None, at)
            return self.page(request, 403, problem="unknown", name=name, goes_to=goes_to)
        answer = self.enter(request, user, goes_to)
        self.drop_cookie(request, answer, "oidc")
        return answer
