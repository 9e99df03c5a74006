"""The addresses of the live pages: who looks, at which page in which state, and what is refused.

Every page of leads is read through `scoped`; a foreign lead and an unknown one get the same answer.
What is searched comes by POST and goes on in a form that only this session reads, so that it
stands in no address and no log.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Final
from urllib.parse import quote

from cryptography.fernet import Fernet, InvalidToken
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from data.clock import iso
from data.durations import SECOND
from data.errors import InputError
from data.schema import Project
from serving.people.authenticator import Authenticator
from serving.people.card_tokens import LASTS
from serving.people.origins import own_path
from serving.people.sign_in_page import HEADERS
from serving.people.sign_in_routes import read_form
from serving.people.viewer import Viewer
from serving.worklist.language import words_of
from serving.worklist.list_query import FILTERS, ORDERS, ListChoice
from serving.worklist.live_answers import LiveAnswers
from serving.worklist.live_pages import (
    COMPANY_PAGES,
    FURTHEST,
    LivePage,
    Nothing,
    PageState,
    Visit,
    newest_says,
    nothing_words,
    render_nothing,
)
from serving.worklist.own_week import PlannedWeeks
from serving.worklist.page_files import read_minified
from serving.worklist.scoped_pages import scoped
from serving.worklist.stored_pages import LONGEST, made_at, newest_run, opened_pages, run_file
from training.state import StatePaths

STATIC: Final = {
    "style.css": (("style.css", "live.css"), "text/css"),
    "live.js": (("what_if.js", "live.js"), "text/javascript"),
}
"""What pages load: name -> (files of ours, type)."""


def live_policy(frame_ancestors: str = "'none'") -> str:
    """Write the content security policy: our own style, script and forms, nothing else."""
    return (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
        f"form-action 'self'; base-uri 'none'; frame-ancestors {frame_ancestors}"
    )


@cache
def static_files() -> Mapping[str, tuple[str, str, str]]:
    """Read our style and script: name -> (address with a hash of the content, text, type)."""
    found = {}
    for name, (files, kind) in STATIC.items():
        text = "\n".join(map(read_minified, files))
        stem, _, ending = name.partition(".")
        mark = hashlib.sha256(text.encode()).hexdigest()[:16]
        found[name] = (f"/static/{stem}-{mark}.{ending}", text, kind)
    return found


class PageRoutes:
    """The live pages of one project behind its authenticator; `clock` gives microseconds UTC."""

    def __init__(
        self,
        project: Project,
        state: StatePaths,
        authenticator: Authenticator,
        clock: Callable[[], int],
    ) -> None:
        self.project, self.state, self.authenticator, self.clock = (
            project,
            state,
            authenticator,
            clock,
        )
        self.answers = LiveAnswers(state.feedback)
        self.weeks = PlannedWeeks()
        self.addresses = {name: file[0] for name, file in static_files().items()}
        self.router = APIRouter(include_in_schema=False)
        for path, page in (
            ("/today", self.today),
            ("/lead/{lead_id:path}", self.lead),
            ("/changes", self.changes),
            ("/pipeline", self.pipeline),
            ("/proof", self.proof),
            ("/model", self.model),
            ("/card/{lead_id:path}", self.card),
            ("/newest", self.newest),
            ("/static/{name}", self.static),
            ("/", self.start),
        ):
            self.router.get(path)(page)
        self.router.post("/search")(self.search)
        self.router.post("/v1/leads/{lead_id:path}/card")(self.card_of)
        self.router.post("/answers")(self.answer)

    def start(self, request: Request) -> Response:
        """Go to the list."""
        self.authenticator.require(request)
        return RedirectResponse("/today", 303, HEADERS)

    def today(self, request: Request) -> Response:
        """Show whom to call."""
        return self._shown(request, LivePage.today)

    def lead(self, request: Request, lead_id: str) -> Response:
        """Show a lead's page; the audit notes who opened it."""
        viewer = self.authenticator.require(request)
        answer = self._shown(request, lambda page: page.lead(lead_id), "lead")
        if answer.status_code == 200:
            self.authenticator.audit(viewer, "lead", lead_id, self.clock())
        return answer

    def changes(self, request: Request) -> Response:
        """Show what moved."""
        return self._shown(request, LivePage.changes)

    def pipeline(self, request: Request) -> Response:
        """Show the funnel and the forecast."""
        return self._shown(request, LivePage.pipeline)

    def proof(self, request: Request) -> Response:
        """Show whether the scores can be trusted."""
        return self._shown(request, LivePage.proof)

    def model(self, request: Request) -> Response:
        """Show the data scientist's page."""
        return self._shown(request, LivePage.model)

    def card(self, request: Request, lead_id: str, token: str = "") -> Response:
        """Show the top of a lead's page in a frame of the CRM, by its token alone."""
        viewer = self.authenticator.read_card_token(token, lead_id, self.clock())
        html = None
        if viewer is not None:
            with self._page(request, viewer, PageState()) as page:
                html = None if page is None else page.lead(lead_id, card=True)
        framed = live_policy(self.authenticator.frame_ancestors)
        headers = {k: v for k, v in HEADERS.items() if k != "X-Frame-Options"}
        if html is None:
            language = viewer.language if viewer else self.authenticator.language
            return self._nothing(language, "lead", 404, framed, headers)
        self.authenticator.audit(viewer, "card", lead_id, self.clock())  # type: ignore[arg-type]
        return _html(html, 200, framed, headers)

    def card_of(self, lead_id: str, viewer: str = "") -> Response:
        """Give a CRM with an API key the address of a card for one of the users, ten minutes."""
        asked = Viewer(viewer, "reader", frozenset(), self.authenticator.language, "")
        address = self._card_address(asked, lead_id)
        if address is None:
            raise HTTPException(404, "there is no such user")
        return JSONResponse({"url": address, "seconds": LASTS // SECOND}, headers=HEADERS)

    def _card_address(self, viewer: Viewer, lead_id: str) -> str | None:
        token = self.authenticator.card_token(viewer, lead_id, self.clock())
        return f"/card/{quote(lead_id, safe='')}?token={quote(token)}" if token else None

    def newest(self, request: Request) -> Response:
        """Name the run of the newest list: an open page asks whether it is still that."""
        words = words_of(self.authenticator.require(request).language)
        run = newest_run(self.state.pages)
        said = "" if run is None else newest_says(words, made_at(self.state.pages, run))
        return JSONResponse({"run": run, "said": said}, headers=HEADERS)

    def static(self, name: str) -> Response:
        """Give our style or script; its name holds its hash, so that it never changes."""
        for address, text, kind in static_files().values():
            if address == f"/static/{name}":
                kept = {"Cache-Control": "public, max-age=31536000, immutable"}
                return Response(text, media_type=kind, headers={**HEADERS, **kept})
        raise HTTPException(404, "no such file")

    async def search(self, request: Request) -> Response:
        """Take the words of a search and go on to the list that they narrow."""
        viewer = await run_in_threadpool(self.authenticator.require, request)
        words = " ".join((await read_form(request)).get("words", "")[:LONGEST].split())
        found = _sealer(viewer).encrypt(words.encode("utf-8", "replace")).decode() if words else ""
        return RedirectResponse(f"/today{PageState(found=found).query()}", 303, HEADERS)

    async def answer(self, request: Request) -> Response:
        """Store an answer; a page goes on where it was, a fetch is told what was stored."""
        viewer = await run_in_threadpool(self.authenticator.require, request)
        fields = await read_form(request)
        self.authenticator.check_write(request, viewer, fields.get("csrf", ""))
        return await run_in_threadpool(self._answered, request, viewer, fields)

    def _answered(self, request: Request, viewer: Viewer, fields: Mapping[str, str]) -> Response:
        words, at = words_of(viewer.language), self.clock()
        asks = "application/json" in request.headers.get("accept", "")
        lead_id = fields.get("lead", "")
        with self._page(request, viewer, PageState(run=fields.get("run"))) as page:
            lead = None if page is None else page.pages.lead(lead_id)
            if page is None or lead is None:
                said = str(nothing_words(words)["lead"])
                if asks:
                    return JSONResponse({"detail": said}, 404, HEADERS)
                return self._nothing(viewer.language, "lead", 404)
            about = page.pages.about
        try:
            given = self.answers.give(lead, viewer, fields, (about.run_id, about.model_version), at)
        except InputError as error:
            if asks:
                return JSONResponse({"detail": str(error)}, 422, HEADERS)
            return self._nothing(viewer.language, str(error), 422)
        self.authenticator.audit(viewer, f"answer {fields.get('verdict', '')[:20]}", lead_id, at)
        if not asks:
            return RedirectResponse(own_path(fields.get("back")), 303, HEADERS)
        outcome = {"said": given.said, "undo": given.undo, "off": given.off}
        return JSONResponse(
            {**outcome, "undo_words": words.message("Take it back")}, headers=HEADERS
        )

    def _shown(
        self, request: Request, show: Callable[[LivePage], str | None], missing: Nothing = "page"
    ) -> Response:
        viewer = self.authenticator.require(request)
        if request.url.path in COMPANY_PAGES and viewer.role == "rep":
            return self._nothing(viewer.language, "company", 403)
        with self._page(request, viewer, self._state(request, viewer)) as page:
            if page is None:
                return self._nothing(viewer.language, "list", 503)
            html = show(page)
        if html is None:
            return self._nothing(viewer.language, missing, 404)
        return _html(html, 200, live_policy(), HEADERS)

    @contextmanager
    def _page(
        self, request: Request, viewer: Viewer, state: PageState
    ) -> Iterator[LivePage | None]:
        """Open the pages of the run that is asked for, else of the newest; None where none is."""
        newest = newest_run(self.state.pages)
        run = state.run if state.run and run_file(self.state.pages, state.run).is_file() else newest
        if newest is None or run is None:
            yield None
            return
        query = f"?{request.url.query}" if request.url.query else ""
        here = own_path(request.url.path + query)
        with opened_pages(run_file(self.state.pages, run)) as connection:
            at = self.clock()
            pages = scoped(
                connection, viewer, lambda made_at: self.answers.since(made_at, at), self.weeks
            )
            yield LivePage(
                pages,
                Visit(
                    viewer,
                    state,
                    self.addresses,
                    (newest, made_at(self.state.pages, newest)),
                    here,
                    self.authenticator.section.sign_in != "proxy",
                    iso(at),
                    lambda lead_id: self._card_address(viewer, lead_id),
                ),
            )

    def _state(self, request: Request, viewer: Viewer) -> PageState:
        """Read the state in an address; whatever is not known is not there."""
        query = request.query_params
        given = {key: query[key][:LONGEST] for key in FILTERS if query.get(key)}
        order, page = query.get("order", ""), query.get("page", "")
        found, calls = query.get("found", "")[:2_000], query.get("calls", "")
        words = _unsealed(viewer, found)
        return PageState(
            run=query.get("run", "")[:LONGEST] or None,
            choice=ListChoice(given, words, order if order in ORDERS else "chance"),
            page=min(int(page), FURTHEST) if re.fullmatch("[1-9][0-9]{0,8}", page) else 1,
            found=found if words else "",
            calls=min(int(calls), FURTHEST) if re.fullmatch("[1-9][0-9]{0,8}", calls) else None,
        )

    def _nothing(
        self,
        language: str,
        said: str,
        status: int,
        framed: str | None = None,
        headers: Mapping[str, str] = HEADERS,
    ) -> Response:
        html = render_nothing(self.authenticator.title, language, said, self.addresses)
        return _html(html, status, framed or live_policy(), headers)


def _html(html: str, status: int, csp: str, headers: Mapping[str, str]) -> Response:
    return HTMLResponse(html, status, {**headers, "Content-Security-Policy": csp})


def _sealer(viewer: Viewer) -> Fernet:
    """Seal the words of a search with the session's own secret: no other session reads them."""
    key = hashlib.sha256(b"search" + viewer.csrf.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))


def _unsealed(viewer: Viewer, found: str) -> str:
    try:
        return _sealer(viewer).decrypt(found.encode()).decode() if found else ""
    except (InvalidToken, UnicodeError):
        return ""
