"""A project with four users, and a browser without a network: a client with cookies."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.requests import Request
from fastapi.responses import PlainTextResponse

from data.durations import SECOND
from data.project import load_project
from serving.http.application import create_app
from serving.http.score_requests import Service
from serving.people.authenticator import Authenticator
from serving.people.passwords import hash_password
from serving.people.people_store import User, add_user
from serving.people.sign_in_routes import read_form
from serving.people.viewer import Role
from training.registry import Registry
from training.state import StatePaths

HOST = "http://leads.test"
PASSWORD = "correct horse battery"
AT = 1_800_000_000 * SECOND


@dataclass
class Clock:
    at: int = AT

    def __call__(self) -> int:
        return self.at


@dataclass
class Browser:
    """Cookies kept between requests; `address` is where the connection comes from."""

    app: Any
    address: str = "203.0.113.9"
    host: str = HOST
    cookies: httpx.Cookies = field(default_factory=httpx.Cookies)

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, client=(self.address, 5))
            async with httpx.AsyncClient(
                transport=transport, base_url=self.host, cookies=self.cookies
            ) as client:
                answer = await client.request(method, path, **options)
                self.cookies = client.cookies
                return answer

        return asyncio.run(asked())

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.ask("GET", path, headers={"accept": "text/html", **headers})

    def token(self, page: str = "/login") -> str:
        """Read the hidden token of a page's form."""
        return re.findall(r'name="(?:token|csrf)" value="([^"]*)"', self.get(page).text)[0]

    def sign_in(
        self, name: str, password: str = PASSWORD, *, goes_to: str = "/", **headers: str
    ) -> httpx.Response:
        """Fill in the form of /login and send it."""
        form = {"token": self.token(), "name": name, "password": password, "next": goes_to}
        return self.ask("POST", "/login", data=form, headers=headers)


@dataclass
class Place:
    """A state folder, a clock, and the application in front of them."""

    state: StatePaths
    clock: Clock
    authenticator: Authenticator
    service: Service

    def browser(self, **options: Any) -> Browser:
        return Browser(create_app(self.service, {}, authenticator=self.authenticator), **options)

    def pages(self) -> Browser:
        """Open a browser before pages that use the authenticator as a page with leads does."""
        app = FastAPI()
        app.include_router(self.authenticator.router)
        authenticator, clock = self.authenticator, self.clock

        @app.get("/lead/{lead}")
        async def lead_page(request: Request, lead: str) -> PlainTextResponse:
            viewer = authenticator.require(request)
            authenticator.audit(viewer, "looked", lead, clock())
            return PlainTextResponse(authenticator.card_token(viewer, lead, clock()))

        @app.post("/answers")
        async def answers(request: Request) -> PlainTextResponse:
            viewer = authenticator.require(request)
            authenticator.check_write(request, viewer, (await read_form(request)).get("csrf", ""))
            return PlainTextResponse("stored")

        return Browser(app)


def user(name: str, role: Role, *owners: str, teams: tuple[str, ...] = ()) -> User:
    password = hash_password(PASSWORD, name)
    return User(name, role, owners, teams, "en", password, name.encode(), AT)


@pytest.fixture(scope="session")
def users() -> tuple[User, ...]:
    return (
        user("boss", "manager"),
        user("Anna", "rep", "Anna Bianchi"),
        user("lead", "lead", "Tom Baker", teams=("North",)),
        user("looker", "reader"),
    )


@pytest.fixture
def place(tmp_path: Path, users: tuple[User, ...]) -> Callable[..., Place]:
    """Make a place with the section [people] as given."""

    def made(allow: tuple[str, ...] = (), **section: Any) -> Place:
        project = load_project(
            {
                "project": {"name": "acme"},
                "leads": {"source": "leads.csv", "id": "id", "created_at": "at"},
                "conversion": {"event": "won", "horizon": "90d"},
                "network": {"allow": allow},
                "people": section,
            }
        )
        state, clock = StatePaths(tmp_path / "state"), Clock()
        for each in users:
            add_user(state.people, each, replacing=True)
        service = Service(project, Registry.of(state, "acme"), state=state, clock=clock)
        return Place(state, clock, Authenticator(project, state, clock), service)

    return made
