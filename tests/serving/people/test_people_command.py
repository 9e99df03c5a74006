"""The way of a user, with commands alone: people add, serve, sign in, in a browser too."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe

from serving.people.people_store import find_user, opened, viewer_of
from tests.golden.product import leadscore
from tests.serving.worklist.conftest import browser  # noqa: F401 - Chromium, a fixture

PASSWORD = "correct horse battery"
CONTRAST = (Path(__file__).parents[1] / "worklist" / "contrast.js").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Shell:
    """A project file and its state folder, at a prompt."""

    file: Path
    state: Path

    def words(self, *arguments: str) -> list[str]:
        """Put the project file behind the verb, and the state folder at the end."""
        verb = list(arguments[:2] if arguments[0] == "people" else arguments[:1])
        rest = arguments[len(verb) :]
        return [*verb, str(self.file), *rest, "--state", str(self.state)]

    def command(self, *arguments: str) -> list[str]:
        """Give what begins a process of its own."""
        code = "from leadscore import main; main()"
        return [sys.executable, "-W", "ignore", "-c", code, *self.words(*arguments)]

    def run(self, *arguments: str, typed: str = "", code: int = 0) -> str:
        done = leadscore(*self.words(*arguments), typed=typed)
        assert done.code == code, done.out + done.err
        assert "Traceback" not in done.err
        return done.out + done.err


@pytest.fixture(scope="module")
def shell(company) -> Shell:
    return Shell(company.file, company.session.state.folder)


@contextlib.contextmanager
def serving(shell: Shell) -> Iterator[str]:
    """Run `leadscore serve` until the block ends; gives its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = shell.command("serve", "--port", str(port), "--no-store")
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        address = f"http://127.0.0.1:{port}"
        try:
            for _ in range(600):
                with contextlib.suppress(httpx.TransportError):
                    if httpx.get(f"{address}/health").status_code == 200:
                        break
                assert process.poll() is None, process.stdout and process.stdout.read()
                time.sleep(0.2)
            yield address
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def address(shell: Shell) -> Iterator[str]:
    shell.run("people", "add", "boss", "--role", "manager", typed=f"{PASSWORD}\n")
    shell.run(
        *("people", "add", "anna", "--role", "rep", "--owner", "Anna Bianchi", "--lang", "fa"),
        typed=f"{PASSWORD}\n",
    )
    with serving(shell) as url:
        yield url


@pytest.mark.usefixtures("address")
def test_errors_say_the_cure_and_nothing_is_half_done(shell: Shell) -> None:
    before = shell.run("people", "list")
    add = ("people", "add", "tom", "--role")
    said = shell.run(*add, "rep", "--owner", "Tom Baker", typed="short\n", code=2)
    assert "has 5 letters; choose one of 12 or more" in said
    said = shell.run(*add, "rep", "--owner", "Anna Bianci", typed="", code=2)
    assert "no lead has the owner 'Anna Bianci' yet; did you mean 'Anna Bianchi'?" in said
    assert "no password came on standard input" in said
    assert "no such role: 'boss'; one of manager" in shell.run(*add, "boss", code=2)
    assert "a rep needs an owner" in shell.run(*add, "rep", code=2)
    assert "no catalogue for the language" in shell.run(*add, "manager", "--lang", "xx", code=2)
    said = shell.run("people", "add", "BOSS", "--role", "reader", code=2)
    assert "there is a user 'boss' already" in said
    for verb in ("remove", "revoke"):
        assert "there is no user 'tom': there are anna, boss" in shell.run(
            "people", verb, "tom", code=2
        )
    assert shell.run("people", "list") == before


def test_a_person_signs_in_and_is_taken_away_while_the_service_runs(
    shell: Shell, address: str
) -> None:
    with httpx.Client(base_url=address, headers={"accept": "text/html"}) as client:
        assert client.get("/").headers["location"] == "/login?next=/"
        token = re.findall(r'name="token" value="(\w+)"', client.get("/login").text)[0]
        form = {"token": token, "name": "boss", "password": PASSWORD, "next": "/"}
        assert client.post("/login", data=form).headers["location"] == "/"
        assert client.get("/").headers["location"] == "/today"
        assert "You see all leads." in client.get("/account").text
        users = json.loads(shell.run("people", "list", "--json"))["users"]
        assert {u["name"]: u["sessions"] for u in users} == {"anna": 0, "boss": 1}
        assert "1 session of boss ended" in shell.run("people", "revoke", "boss")
        assert client.get("/account").status_code == 303
    acts = json.loads(shell.run("people", "audit", "--user", "boss", "--json"))["acts"]
    assert [act["action"] for act in acts] == ["sign in"]
    assert shell.run("people", "audit", "--lead", "L0000001").count("\n") == 2  # a head, no row


@pytest.mark.slow
def test_a_report_says_anew_which_owners_a_team_has(shell: Shell, tmp_path: Path) -> None:
    """The owners of a team change in the CRM; its lead sees the new ones after the next report."""
    folder = tmp_path / "company"
    shutil.copytree(shell.file.parent, folder)
    own = Shell(folder / shell.file.name, folder / shell.state.name)
    leads = pd.read_parquet(folder / "leads.parquet")

    def teams_are(north: list[str]) -> None:
        team = leads["owner"].isin(north).map({True: "North", False: "South"})
        leads.assign(team=team).to_parquet(folder / "leads.parquet")

    def seen() -> frozenset[str] | None:
        found = find_user(own.state / "people.sqlite", "lena")
        assert found is not None
        with opened(own.state / "people.sqlite") as connection:
            return viewer_of(connection, found, csrf="").owners

    teams_are(["Anna Bianchi", "Tom Baker"])
    add = ("people", "add", "lena", "--role", "lead", "--team", "North")
    own.run(*add, typed=f"{PASSWORD}\n")
    assert seen() == {"Anna Bianchi", "Tom Baker"}
    own.run("people", "add", "bea", "--role", "manager", typed=f"{PASSWORD}\n")
    assert seen() == {"Anna Bianchi", "Tom Baker"}
    teams_are(["Sara Ahmadi"])
    own.run("report", "--out", str(tmp_path / "out"))
    assert seen() == {"Sara Ahmadi"}


@pytest.mark.slow
def test_nobody_but_the_named_proxy_says_who_comes(shell: Shell) -> None:
    """Not even a client on this machine that claims to pass on what the proxy said."""
    file = shell.file.with_name("proxied.toml")
    section = '\n[people]\nsign_in = "proxy"\nproxies = ["10.9.9.9"]\n'
    file.write_text(shell.file.read_text("utf-8") + section, encoding="utf-8")
    own = Shell(file, shell.state)
    own.run("people", "add", "pia", "--role", "manager")  # no password is asked for
    claims = {
        "x-forwarded-for": "10.9.9.9",
        "x-forwarded-proto": "https",
        "forwarded": "for=10.9.9.9",
    }
    with serving(own) as url:
        answer = httpx.get(f"{url}/account", headers={"x-remote-user": "pia", **claims})
        assert answer.status_code == 401
    file.write_text(file.read_text("utf-8").replace("10.9.9.9", "127.0.0.0/8"), encoding="utf-8")
    with serving(own) as url:
        answer = httpx.get(f"{url}/account", headers={"x-remote-user": "pia"})
        assert "Signed in as <bdi>pia</bdi>" in answer.text


@pytest.mark.chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_a_browser_by_keyboard_at_phone_width_in_persian(
    browser: Any,  # noqa: F811
    address: str,
    scheme: str,
) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 780}, color_scheme=scheme, locale="fa-IR"
    )
    page, faults = context.new_page(), list[str]()
    refused = set[tuple[int, str]]()
    page.on("console", lambda message: faults.append(message.text))
    page.on(
        "response",
        lambda answer: (
            refused.add((answer.status, answer.url.removeprefix(address).partition("?")[0]))
            if answer.status >= 400
            else None
        ),
    )
    page.on(
        "request",
        lambda asked: None if asked.url.startswith(address) else faults.append(asked.url),
    )
    page.goto(f"{address}/")
    assert page.url == f"{address}/login?next=/"
    assert page.locator("html").get_attribute("dir") == "rtl"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for part in ("#name", "#password", "button", ".tongues a >> nth=0"):
        assert page.locator(part).bounding_box()["height"] >= 44
    check_accessible(page)
    page.focus("#name")
    page.keyboard.type("anna")
    page.keyboard.press("Tab")
    page.keyboard.type("wrong password here")
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=alert]")
    assert "درست نیست" in page.locator("[role=alert]").inner_text()
    assert page.locator("#name").input_value() == "anna"
    check_accessible(page)
    page.fill("#password", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}/today")
    page.goto(f"{address}/account")
    assert "anna" in page.locator("h1").inner_text()
    assert "Anna Bianchi" in page.locator(".lede").inner_text()
    check_accessible(page)
    page.get_by_role("button", name="خروج").click()
    page.wait_for_url(f"{address}/login")
    page.go_back()
    assert "anna" not in page.locator("h1").inner_text()
    assert refused <= {(401, "/login"), (503, "/today")}  # no night yet, so there is no list
    assert [each for each in faults if not each.startswith("Failed to load resource")] == []
    context.close()


def check_accessible(page: Any) -> None:
    """Nothing that axe finds, and every text has the contrast of WCAG AA."""
    found = Axe().run(page).response["violations"]
    assert [(each["id"], [n["html"] for n in each["nodes"]]) for each in found] == []
    assert page.evaluate(CONTRAST) == []
