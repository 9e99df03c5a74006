"""The worklist under load: live pages for 50 people.

    python -m benchmarks.worklist load [--full]

Two processes of `leadscore serve` on loopback share a state folder with stored pages (100,000
leads; 5,000 in the short form). Fifty signed-in reps and managers read lists, search, open leads
and answer, with exponential pauses of 5 s in the mean; 5 % of the requests are answers.
"""

from __future__ import annotations

import asyncio
import random
import re
import secrets
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import psutil

from benchmarks.in_parts import Verdict
from data.project import load_project
from data.world import project_file
from serving.http.application import create_app
from serving.http.score_requests import Service
from serving.http.server import serve as run_server
from serving.people.authenticator import Authenticator
from serving.people.passwords import hash_password
from serving.people.people_store import User, add_user
from serving.worklist.stored_pages import write_pages
from serving.worklist.view import ReportView
from tests.fakes.live_site import fields
from tests.fakes.report_view import make_view
from training.registry import Registry
from training.state import StatePaths

KIND = "software_trial"
PEOPLE = 50
PAUSE = 5.0
WRITES = 0.05
PASSWORD = "correct horse battery"


@dataclass
class Load:
    """What the requests of all sessions took, in seconds, and what came of them."""

    took: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    writes: int = 0


def measure(*, full: bool) -> Iterator[Verdict]:
    """Store pages, serve them twice, load them."""
    leads, seconds = (100_000, 120.0) if full else (5_000, 18.0)
    with tempfile.TemporaryDirectory() as place:
        state = StatePaths(Path(place) / "state")
        view = make_view(leads, owners=6, top_per_owner=leads)
        yield store(state, view)
        names = add_people(state, sorted({lead.owner for lead in view.leads}))
        del view
        with ExitStack() as stack:
            servers = [stack.enter_context(serving(state)) for _ in range(2)]
            yield from under_load(servers, names, seconds)


def store(state: StatePaths, view: ReportView) -> Verdict:
    """Store the pages of all leads, as a night does with those that it has made."""
    started = time.process_time()
    size = write_pages(state.pages, view, view.leads, made_at=1)
    each = 1000 * (time.process_time() - started) / size.leads
    print(f"{size}; stored in {each:.2f} ms of processor time a lead")
    return each <= 5, "storing the pages of a lead, ms", f"{each:.2f}", "<= 5"


def add_people(state: StatePaths, owners: list[str]) -> list[str]:
    """Add reps for each owner and some managers; returns their names."""
    names = []
    for number in range(PEOPLE):
        name = f"user{number}"
        boss = number % 5 == 0
        own = () if boss else (owners[number % len(owners)],)
        secret = secrets.token_bytes(32)
        role = "manager" if boss else "rep"
        password = hash_password(PASSWORD, name)
        add_user(state.people, User(name, role, own, (), "en", password, secret, 1))
        names.append(name)
    return names


@contextmanager
def serving(state: StatePaths) -> Iterator[tuple[psutil.Popen, str]]:
    """Run the service as its own process on a free port of loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.worklist_load"]
    server = psutil.Popen([*command, "--serve", str(state.folder), str(port)])
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                if httpx.get(f"{url}/health").status_code == 200:
                    break
            except httpx.HTTPError:
                time.sleep(0.2)
        yield server, url
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def serve(folder: Path, port: int) -> None:
    """Serve as `leadscore serve` does, of a project without a model: pages need none."""
    project = load_project(project_file(KIND))
    state = StatePaths(folder)
    service = Service(project, Registry.of(state, KIND), state=state, clock=now)
    app = create_app(service, {}, authenticator=Authenticator(project, state, now))
    run_server(app, host="127.0.0.1", port=port)


def now() -> int:
    """Tell the time in microseconds UTC."""
    return int(time.time() * 1e6)


def under_load(
    servers: list[tuple[psutil.Popen, str]], names: list[str], seconds: float
) -> list[Verdict]:
    """Load the servers; the bar is on the slowest twentieth of all answers."""
    load = Load()
    urls = [url for _, url in servers]
    before = [server.memory_info().rss for server, _ in servers]
    spent = sum(sum(server.cpu_times()[:2]) for server, _ in servers)
    asyncio.run(all_sessions(urls, names, seconds, load))
    after = [server.memory_info().rss for server, _ in servers]
    spent = sum(sum(server.cpu_times()[:2]) for server, _ in servers) - spent
    p50, p95, worst = np.quantile(load.took, [0.5, 0.95, 1]) * 1000
    grown = max(b - a for a, b in zip(before, after, strict=True)) / 1e6
    print(
        f"{len(load.took)} requests of {len(names)} people in {seconds:g} s, {load.writes} of them"
        f" answers: p50 {p50:.0f} ms, p95 {p95:.0f} ms, worst {worst:.0f} ms;"
        f" {1000 * spent / len(load.took):.0f} ms of processor time each;"
        f" a server grew by {grown:.0f} MB at most"
    )
    for each in load.wrong[:5]:
        print(f"  {each}")
    share = f"p95 of {len(names)} sessions, ms"
    return [
        (p95 < 300, share, f"{p95:.0f}", "< 300"),
        (not load.wrong, "answers that were wrong or refused", f"{len(load.wrong)}", "0"),
    ]


async def all_sessions(urls: list[str], names: list[str], seconds: float, load: Load) -> None:
    """Sign everybody in, then let them work at the same time."""
    clients = []
    for number, name in enumerate(names):
        client = httpx.AsyncClient(
            base_url=urls[number % len(urls)],
            headers={"accept": "text/html"},
            timeout=60,
            limits=httpx.Limits(keepalive_expiry=4),  # the server closes after 5 s, as we may ask
        )
        given = {**fields((await client.get("/login")).text), "name": name, "password": PASSWORD}
        answer = await client.post("/login", data=given)
        if answer.status_code != 303:
            load.wrong.append(f"sign-in of {name}: {answer.status_code}")
        clients.append(client)
    until = time.perf_counter() + seconds
    await asyncio.gather(
        *(work(client, random.Random(number), until, load) for number, client in enumerate(clients))
    )
    for client in clients:
        await client.aclose()


async def work(client: httpx.AsyncClient, draw: random.Random, until: float, load: Load) -> None:
    """Read, search, open and answer like a person, until the time is over."""
    page = ""

    async def ask(method: str, path: str, data: dict[str, str] | None = None) -> httpx.Response:
        started = time.perf_counter()
        answer = await client.request(method, path, data=data)
        load.took.append(time.perf_counter() - started)
        if answer.status_code not in (200, 303):
            load.wrong.append(f"{method} {path.partition('?')[0]}: {answer.status_code}")
        return answer

    await asyncio.sleep(draw.uniform(0, PAUSE))
    while time.perf_counter() < until:
        links = [link.replace("&amp;", "&") for link in re.findall(r'href="(/lead/[^"]*)"', page)]
        what = draw.random()
        if links and what < WRITES:
            load.writes += 1
            lead_id = draw.choice(links).removeprefix("/lead/").partition("?")[0]
            told = {"lead": lead_id, "verdict": "note", "because": "called, call again"}
            await ask("POST", "/answers", {**fields(page), **told})
        elif links and what < 0.5:
            await ask("GET", draw.choice(links))
        elif what < 0.65:
            found = await ask("POST", "/search", {"words": draw.choice(WORDS)})
            page = (await ask("GET", found.headers.get("location", "/today"))).text
        elif what < 0.7:
            await ask("GET", "/changes")
        else:
            order = draw.choice(("chance", "value", "urgency", "name"))
            page = (await ask("GET", f"/today?page={draw.randint(1, 9)}&order={order}")).text
        await asyncio.sleep(draw.expovariate(1 / PAUSE))


WORDS = ("l-00042", "logistics", "ada", "robotics foods", "person7@example.com", "head of")


if __name__ == "__main__":
    serve(Path(sys.argv[2]), int(sys.argv[3]))
