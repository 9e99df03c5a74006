"""What a role sees, what a write must bring, what a card's token opens."""

from __future__ import annotations

import base64
import re
import sqlite3

import pytest
from fastapi.requests import Request
from starlette.exceptions import HTTPException

from data.durations import MINUTE
from data.errors import InputError, OutsideError
from serving.people.people_store import (
    add_user,
    find_user,
    list_users,
    opened,
    remove_user,
    revoke_user,
    store_teams,
    viewer_of,
)
from serving.people.viewer import Viewer
from tests.serving.people.conftest import AT, HOST, Place, user

LEADS_OWNERS = ("Anna Bianchi", "Tom Baker", "Sara Ahmadi", "")


def viewer(place: Place, name: str, csrf: str = "t0ken") -> Viewer:
    found = find_user(place.state.people, name)
    assert found is not None
    with opened(place.state.people) as connection:
        return viewer_of(connection, found, csrf=csrf)


def seen(place: Place, name: str) -> list[str]:
    owners = viewer(place, name).owners
    return [owner for owner in LEADS_OWNERS if owners is None or owner in owners]


def test_a_role_sees_its_owners_and_no_other(place) -> None:
    here = place()
    store_teams(here.state.people, [("North", "Sara Ahmadi"), ("South", "Anna Bianchi")])
    assert seen(here, "boss") == list(LEADS_OWNERS)
    assert seen(here, "looker") == list(LEADS_OWNERS)
    assert seen(here, "Anna") == ["Anna Bianchi"]
    assert seen(here, "lead") == ["Tom Baker", "Sara Ahmadi"]


def test_a_lead_without_an_owner_belongs_to_no_team(place) -> None:
    here = place()
    store_teams(here.state.people, [("North", ""), ("", "Tom Baker")])
    assert seen(here, "lead") == ["Tom Baker"]


def test_who_changes_the_team_is_seen_by_the_new_lead_alone(place) -> None:
    here = place()
    store_teams(here.state.people, [("North", "Sara Ahmadi")])
    store_teams(here.state.people, [("South", "Sara Ahmadi")])
    assert seen(here, "lead") == ["Tom Baker"]


def test_a_reader_writes_nothing_nor_does_who_has_no_session(place) -> None:
    here = place()
    writes = {name: viewer(here, name).writes for name in ("boss", "lead", "Anna", "looker")}
    assert writes == {"boss": True, "lead": True, "Anna": True, "looker": False}
    assert not viewer(here, "boss", csrf="").writes


@pytest.mark.parametrize(
    ("role", "owners", "teams", "says"),
    [
        ("rep", (), (), "needs an owner"),
        ("rep", ("A",), ("North",), "no team's leads"),
        ("lead", (), (), "needs its owners"),
        ("manager", ("A",), (), "sees all leads"),
        ("reader", (), ("North",), "sees all leads"),
        ("boss", (), (), "no such role: 'boss'; one of manager, lead, rep, reader"),
    ],
)
def test_a_role_that_does_not_fit_its_owners_is_refused(tmp_path, role, owners, teams, says):
    with pytest.raises(InputError, match=says):
        add_user(tmp_path / "people.sqlite", user("x", role, *owners, teams=teams))


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "\x1b[31m", "x" * 201])
def test_a_name_that_is_none_is_refused(tmp_path, name) -> None:
    with pytest.raises(InputError, match="is no name of a user"):
        add_user(tmp_path / "people.sqlite", user(name, "manager"))


def test_a_name_is_given_once_whatever_its_capitals(place) -> None:
    here = place()
    with pytest.raises(InputError, match="there is a user 'Anna' already; --replace"):
        add_user(here.state.people, user("ANNA", "manager"))
    assert seen(here, "anna") == ["Anna Bianchi"]


def test_the_file_is_readable_by_its_owner_alone_and_holds_no_password_or_session(place) -> None:
    here = place()
    browser = here.browser()
    browser.sign_in("Anna")
    assert here.state.people.stat().st_mode & 0o077 == 0
    files = list(here.state.folder.glob("people.sqlite*"))
    raw = b"".join(path.read_bytes() for path in files)
    assert b"$argon2id$" in raw
    assert b"correct horse" not in raw
    assert browser.cookies["leadscore"].encode() not in raw


@pytest.mark.parametrize("spoiled", ["no database", "newer", "a folder"])
def test_a_file_that_cannot_be_used_is_named_in_one_line(tmp_path, spoiled) -> None:
    file = tmp_path / "people.sqlite"
    if spoiled == "a folder":
        file.mkdir()
    elif spoiled == "newer":
        with sqlite3.connect(file) as connection:
            connection.execute("pragma user_version = 99")
    else:
        file.write_bytes(b"this is no database at all, but a longer text " * 20)
    refusal = InputError if spoiled == "newer" else OutsideError
    with pytest.raises(refusal, match=re.escape(str(file))):
        list_users(file)


# writes


def csrf_of(browser) -> str:
    return browser.token("/account")


def test_a_write_needs_the_sessions_token_from_our_own_page(place) -> None:
    browser = place().pages()
    browser.sign_in("Anna")
    token = csrf_of(browser)

    def status(csrf: str = token, **headers: str) -> int:
        return browser.ask("POST", "/answers", data={"csrf": csrf}, headers=headers).status_code

    assert status() == 200
    assert status(origin=HOST, **{"sec-fetch-site": "same-origin"}) == 200
    assert status(origin="null", **{"sec-fetch-site": "same-origin"}) == 200  # no-referrer
    for wrong in ("", "x", token[:-1], token + "x", "é"):
        assert status(wrong) == 403
    assert status(origin="http://evil.test") == 403
    assert status(origin="null") == 403
    assert status(origin="https://leads.test.evil.test") == 403
    assert status(**{"sec-fetch-site": "cross-site"}) == 403
    assert status(**{"sec-fetch-site": "same-site", "origin": HOST}) == 403


def test_a_token_of_another_session_or_of_a_reader_writes_nothing(place) -> None:
    here = place()
    mine, other, reader = here.pages(), here.pages(), here.pages()
    for browser, name in ((mine, "Anna"), (other, "boss"), (reader, "looker")):
        browser.sign_in(name)
    stolen = {"csrf": csrf_of(other)}
    assert mine.ask("POST", "/answers", data=stolen).status_code == 403
    own = {"csrf": csrf_of(reader)}
    assert reader.ask("POST", "/answers", data=own).status_code == 403
    assert here.pages().ask("POST", "/answers", data=stolen).status_code == 401


# cards


def test_a_card_opens_without_a_cookie_for_ten_minutes_and_writes_nothing(place) -> None:
    here = place()
    browser = here.pages()
    browser.sign_in("Anna")
    token = browser.get("/lead/L1").text
    read = here.authenticator.read_card_token
    found = read(token, "L1", here.clock.at)
    assert found is not None
    assert (found.name, found.owners, found.writes) == ("Anna", frozenset({"Anna Bianchi"}), False)
    assert read(token, "L1", AT + 10 * MINUTE - 1) is not None
    assert read(token, "L1", AT + 10 * MINUTE) is None
    assert read(token, "L1", AT - 1) is None


def test_a_card_token_opens_no_other_lead_and_serves_no_other_viewer(place) -> None:
    here = place()
    authenticator, at = here.authenticator, here.clock.at
    token = authenticator.card_token(viewer(here, "Anna"), "L1", at)
    assert authenticator.read_card_token(token, "L2", at) is None
    assert authenticator.read_card_token(token, "L1 ", at) is None
    _, signature = token.split(".")
    for name, ends in (("boss", AT + 10 * MINUTE), ("Anna", AT + 99 * MINUTE)):
        body = base64.urlsafe_b64encode(f"{ends} {name}".encode()).decode().rstrip("=")
        assert authenticator.read_card_token(f"{body}.{signature}", "L1", at) is None


@pytest.mark.parametrize("ended", [revoke_user, remove_user])
def test_a_card_of_whom_was_revoked_opens_nothing(place, ended) -> None:
    here = place()
    token = here.authenticator.card_token(viewer(here, "Anna"), "L1", here.clock.at)
    ended(here.state.people, "Anna")
    assert here.authenticator.read_card_token(token, "L1", here.clock.at) is None


@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "a.b", "W10.", "bnVsbA.AAAA", "MSBBbm5h.AAAA", "é.é", "/w.AAAA", "x" * 9_000],
)
def test_what_is_no_card_token_opens_nothing(place, token) -> None:
    here = place()
    assert here.authenticator.read_card_token(token, "L1", here.clock.at) is None


def test_only_named_sites_may_frame_a_card(place) -> None:
    assert place().authenticator.frame_ancestors == "'none'"
    named = place(frame_ancestors=["https://acme.force.com", "'self'"])
    assert named.authenticator.frame_ancestors == "https://acme.force.com 'self'"
    for wrong in ("*", "https://a.b; script-src *", "javascript:", "a.b", "https://a.b/path", ""):
        with pytest.raises(InputError, match="is no site"):
            place(frame_ancestors=[wrong])


# the proxy


def from_address(place: Place, address: str, **headers: str) -> Viewer | None:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "client": (address, 1), "headers": raw, "method": "GET", "path": "/"}
    return place.authenticator.viewer(Request(scope))


def test_a_proxys_header_is_believed_from_its_address_alone(place) -> None:
    here = place(sign_in="proxy", proxies=["10.0.0.2", "fd00::/64"])
    for address in ("10.0.0.2", "::ffff:10.0.0.2", "fd00::7"):
        found = from_address(here, address, x_remote_user="anna")
        assert found is not None
        assert (found.name, found.writes) == ("Anna", True)
    for address in ("10.0.0.3", "127.0.0.1", "fd01::7", "", "testclient"):
        assert from_address(here, address, x_remote_user="anna") is None
    spoofed = {"x_forwarded_for": "10.0.0.2", "x_remote_user": "boss"}
    assert from_address(here, "10.0.0.3", **spoofed) is None
    assert from_address(here, "10.0.0.2", x_remote_user="nobody") is None
    assert from_address(here, "10.0.0.2") is None


def test_two_headers_name_nobody_and_the_header_counts_in_no_other_mode(place) -> None:
    here = place(sign_in="proxy", proxies=["10.0.0.2"])
    pair = [(b"x-remote-user", b"anna"), (b"x-remote-user", b"boss")]
    scope = {"type": "http", "client": ("10.0.0.2", 1), "headers": pair, "path": "/"}
    assert here.authenticator.viewer(Request(scope)) is None
    local = place(proxies=["10.0.0.2"])
    assert from_address(local, "10.0.0.2", x_remote_user="boss") is None


def test_a_name_in_another_script_comes_through_the_proxy(place) -> None:
    here = place(sign_in="proxy", proxies=["10.0.0.2"])
    add_user(here.state.people, user("سارا", "manager"))
    found = from_address(here, "10.0.0.2", x_remote_user="سارا")
    assert found is not None
    assert found.name == "سارا"


def test_behind_a_proxy_there_is_no_form_and_a_write_needs_its_token(place) -> None:
    here = place(sign_in="proxy", proxies=["10.0.0.2"])
    browser = here.browser(address="10.0.0.2")
    assert "<form" not in browser.get("/login").text
    assert browser.ask("POST", "/login", data={"name": "a"}).status_code == 405
    found = from_address(here, "10.0.0.2", x_remote_user="anna")
    assert found is not None
    scope = {"type": "http", "client": ("10.0.0.2", 1), "headers": [], "path": "/"}
    here.authenticator.check_write(Request(scope), found, found.csrf)
    with pytest.raises(HTTPException):
        here.authenticator.check_write(Request(scope), found, "")
    revoke_user(here.state.people, "anna")
    assert found.csrf != from_address(here, "10.0.0.2", x_remote_user="anna").csrf  # type: ignore[union-attr]


def test_failed_sign_ins_are_counted_by_the_client_behind_a_named_proxy(place) -> None:
    here = place(proxies=["10.0.0.2"])
    browser = here.browser(address="10.0.0.2")
    for _ in range(5):
        browser.sign_in("Anna", "wrong", **{"x-forwarded-for": "1.1.1.1, 203.0.113.1"})
    same = browser.sign_in("Anna", **{"x-forwarded-for": "2.2.2.2, 203.0.113.1"})
    assert same.status_code == 429  # what a client writes before the proxy's entry is not believed
    assert browser.sign_in("Anna", **{"x-forwarded-for": "203.0.113.2"}).status_code == 303


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({"sign_in": "proxy"}, "needs `proxies`"),
        ({"proxies": ["proxy.example.com"]}, "is no address or network"),
        ({"sign_in": "oidc", "issuer": "https://a.b"}, "needs client_id, url"),
        ({"url": "leads.example.com"}, "is no address"),
        ({"url": "https://a.b/leads"}, "has a path"),
        ({"header": "X Remote\r\n"}, "header"),
        (
            {"sign_in": "oidc", "issuer": "http://a.b", "client_id": "x", "url": "https://a.b"},
            "not reached over TLS",
        ),
        ({"session": "0s"}, "session"),
    ],
)
def test_a_section_that_would_open_the_wrong_door_is_refused(place, section, says) -> None:
    with pytest.raises(InputError, match=says):
        place(**section)
