"""The live pages of a seeded view, with users who can sign in: in this process, or on loopback."""

from __future__ import annotations

import asyncio
import re
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from data.project import load_project
from data.schema import Project
from serving.http.application import create_app
from serving.http.score_requests import Service
from serving.people.authenticator import Authenticator
from serving.people.passwords import hash_password
from serving.people.people_store import User, add_user
from serving.people.viewer import Role
from serving.worklist.stored_pages import write_pages
from serving.worklist.view import ReportView
from training.registry import Registry
from training.state import StatePaths

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "software_trial.toml"
PASSWORD = "correct horse battery"
MADE_AT = 1_000_000


@dataclass
class Site:
    """A state folder with pages and users, and the application over it."""

    state: StatePaths
    project: Project
    service: Service
    authenticator: Authenticator
    app: Any

    def add(self, name: str, role: Role, *owners: str, language: str = "en") -> None:
        """Add a user."""
        password = hash_password(PASSWORD, name)
        secret = secrets.token_bytes(32)
        add_user(self.state.people, User(name, role, owners, (), language, password, secret, 1))

    def publish(self, view: ReportView, made_at: int = MADE_AT) -> None:
        """Write the pages of a run, as a night does."""
        write_pages(
            self.state.pages,
            view,
            view.leads,
            made_at=made_at,
            texts={"model-en": "<html><head><style>p {}</style></head><h1>Model</h1></html>"},
        )

    @asynccontextmanager
    async def client(self, name: str) -> Any:
        """Sign a user in."""
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app),
            base_url="http://leads.test",
            headers={"accept": "text/html"},
        ) as client:
            page = await client.get("/login")
            given = {**fields(page.text), "name": name, "password": PASSWORD}
            answer = await client.post("/login", data=given)
            assert answer.status_code == 303, answer.text
            yield client


def make_site(folder: Path, view: ReportView, *, clock: Callable[[], int] | None = None) -> Site:
    """Make a site in a folder; its clock is the machine's, unless another is given."""
    site = open_site(load_project(EXAMPLE), StatePaths(folder), clock)
    site.publish(view)
    return site


def open_site(project: Project, state: StatePaths, clock: Callable[[], int] | None = None) -> Site:
    """Open the pages that a state folder holds."""
    ticks = clock or (lambda: int(time.time() * 1e6))
    service = Service(project, Registry.of(state, "site"), state=state, clock=ticks)
    authenticator = Authenticator(project, state, ticks)
    return Site(
        state, project, service, authenticator, create_app(service, {}, authenticator=authenticator)
    )


def fields(html: str) -> dict[str, str]:
    """Read the hidden fields of a page's forms."""
    return dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', html))


def count(html: str) -> str:
    """Read how many leads a list says that there are."""
    found = re.search(r'id="count"[^>]*>(.*?)</p>', html)
    assert found is not None
    return re.sub("<[^>]*>", "", found[1])


def visit(site: Site, name: str, walk: Callable[[httpx.AsyncClient], Any]) -> Any:
    """Sign a user in and walk."""

    async def go() -> Any:
        async with site.client(name) as client:
            return await walk(client)

    return asyncio.run(go())


@contextmanager
def listening(app: Any) -> Iterator[str]:
    """Serve on a free port of loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
