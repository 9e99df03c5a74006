"""Signing in by password: whose session it is, where it leads, how long guesses take."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from data.durations import HOUR, MINUTE, SECOND
from data.errors import InputError
from serving.people.attempts import begin_attempt
from serving.people.origins import own_path
from serving.people.passwords import hash_password, is_password
from serving.people.people_store import User, add_user, remove_user, revoke_user
from tests.serving.people.conftest import HOST, PASSWORD

COOKIE = "leadscore"


def test_a_page_leads_to_the_sign_in_and_back(place) -> None:
    browser = place().browser()
    answer = browser.get("/account?tab=1")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=/account%3Ftab%3D1"
    answer = browser.sign_in("Anna", goes_to="/account?tab=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/account?tab=1")
    page = browser.get("/account").text
    assert "Signed in as <bdi>Anna</bdi>" in page
    assert "Anna Bianchi" in page


def test_the_way_back_keeps_blanks_and_other_scripts(place) -> None:
    browser = place().pages()
    there = browser.get("/lead/L%201س").headers["location"]
    answer = browser.get(there)
    assert answer.status_code == 200
    goes_to = re.findall(r'name="next" value="([^"]*)"', answer.text)[0]
    assert goes_to == "/lead/L%201%D8%B3"
    assert browser.sign_in("Anna", goes_to=goes_to).headers["location"] == goes_to


def test_a_fetch_without_a_session_is_refused_and_not_sent_elsewhere(place) -> None:
    browser = place().browser()
    asked = {"sec-fetch-mode": "cors", "accept": "text/html"}
    assert browser.ask("GET", "/account", headers=asked).status_code == 401
    assert browser.ask("GET", "/account", headers={"accept": "application/json"}).status_code == 401


def test_the_api_still_asks_for_its_key(place) -> None:
    browser = place().browser()
    browser.sign_in("boss")
    for path in ("/v1/score", "/metrics", "/openapi.json", "/v1/leads/1/score"):
        assert browser.get(path).status_code == 401
    assert browser.get("/health").status_code == 200


@pytest.mark.parametrize("name", ["anna", " ANNA ", "Anna"])
def test_a_name_is_found_whatever_its_capitals(place, name) -> None:
    assert place().browser().sign_in(name).status_code == 303


@pytest.mark.parametrize(("name", "password"), [("Anna", "wrong"), ("nobody", PASSWORD), ("", "")])
def test_a_wrong_name_and_a_wrong_password_get_one_answer(place, name, password) -> None:
    answer = place().browser().sign_in(name, password)
    assert answer.status_code == 401
    assert "Wrong name or password." in answer.text
    assert "set-cookie" not in answer.headers or COOKIE + "=" not in answer.headers["set-cookie"]


def test_an_unknown_name_takes_as_long_as_a_wrong_password() -> None:
    kept = hash_password(PASSWORD, "Anna")

    def seconds(of: str | None) -> float:
        began = time.process_time()
        for _ in range(5):
            assert not is_password(of, "another password")
        return time.process_time() - began

    is_password(None, "x")  # the hash that nobody has is made once
    known, unknown = seconds(kept), seconds(None)
    assert 0.5 < unknown / known < 2


@pytest.mark.parametrize(
    ("password", "says"),
    [("short", "has 5 letters"), ("a" * 20, "guessed"), ("long-enough-name", "guessed")],
)
def test_a_weak_password_is_refused(password, says) -> None:
    with pytest.raises(InputError, match=says):
        hash_password(password, "Long-Enough-Name")


def test_accents_may_come_composed_or_not() -> None:
    kept = hash_password("perch\u00e9 no, s\u00ec", "x")
    assert is_password(kept, "perche\u0301 no, si\u0300")


def test_a_session_that_was_put_into_the_browser_is_not_used(place) -> None:
    browser = place().browser()
    browser.cookies.set(COOKIE, "fixed-by-somebody", domain="leads.test", path="/")
    browser.sign_in("Anna")
    assert browser.cookies[COOKIE] != "fixed-by-somebody"
    stranger = place().browser()
    stranger.cookies.set(COOKIE, "fixed-by-somebody", domain="leads.test", path="/")
    assert stranger.get("/account").status_code == 303


def test_signing_in_again_ends_the_session_of_before(place) -> None:
    here = place()
    browser, thief = here.browser(), here.browser()
    browser.sign_in("Anna")
    thief.cookies.set(COOKIE, browser.cookies[COOKIE], domain="leads.test", path="/")
    assert thief.get("/account").status_code == 200
    revoke_user(here.state.people, "anna")  # else /login sends on who is signed in
    browser.sign_in("Anna")
    assert browser.get("/account").status_code == 200
    assert thief.get("/account").status_code == 303


def test_cookies_are_out_of_reach_of_scripts_and_of_other_sites(place) -> None:
    set_cookie = place().browser().sign_in("Anna").headers["set-cookie"]
    assert re.search(r"^leadscore=[\w-]{43}; HttpOnly; Path=/; SameSite=lax$", set_cookie)


def test_behind_tls_cookies_are_secure(place) -> None:
    browser = place(url="https://leads.test").browser(host="https://leads.test")
    set_cookie = browser.sign_in("Anna", origin="https://leads.test").headers["set-cookie"]
    assert re.search(
        r"^__Host-leadscore=[\w-]{43}; HttpOnly; Path=/; SameSite=lax; Secure", set_cookie
    )
    assert browser.get("/account").status_code == 200


def test_a_session_ends_by_itself(place) -> None:
    here = place(session="2h")
    browser = here.browser()
    browser.sign_in("Anna")
    here.clock.at += 2 * HOUR - SECOND
    assert browser.get("/account").status_code == 200
    here.clock.at += SECOND
    assert browser.get("/account").status_code == 303


@pytest.mark.parametrize("ended", ["revoke", "remove", "replace"])
def test_a_session_ends_at_once(place, users: tuple[User, ...], ended) -> None:
    here = place()
    browser = here.browser()
    browser.sign_in("Anna")
    if ended == "revoke":
        assert revoke_user(here.state.people, "ANNA") == 1
    elif ended == "remove":
        remove_user(here.state.people, "Anna")
    else:
        add_user(here.state.people, users[1], replacing=True)
    assert browser.get("/account").status_code == 303


def test_signing_out_needs_the_sessions_token_and_ends_it(place) -> None:
    browser = place().browser()
    browser.sign_in("Anna")
    session = browser.cookies[COOKIE]
    assert browser.ask("POST", "/logout", data={"csrf": "x"}).status_code == 403
    assert browser.ask("GET", "/logout").status_code == 405
    token = browser.token("/account")
    other = {"origin": "http://evil.test", "sec-fetch-site": "cross-site"}
    assert browser.ask("POST", "/logout", data={"csrf": token}, headers=other).status_code == 403
    assert browser.get("/account").status_code == 200
    assert browser.ask("POST", "/logout", data={"csrf": token}).headers["location"] == "/login"
    browser.cookies.set(COOKIE, session, domain="leads.test", path="/")
    assert browser.get("/account").status_code == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.test"},
        {"origin": "null"},
        {"origin": "http://leads.test.evil.test"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": HOST},
    ],
)
def test_another_site_cannot_sign_a_browser_in(place, headers) -> None:
    assert place().browser().sign_in("Anna", **headers).status_code == 403


def test_a_form_of_another_browser_signs_nobody_in(place) -> None:
    here = place()
    mine, other = here.browser(), here.browser()
    form = {"token": other.token(), "name": "Anna", "password": PASSWORD}
    assert mine.ask("POST", "/login", data=form).status_code == 403
    mine.get("/login")
    assert mine.ask("POST", "/login", data=form).status_code == 403


OUTSIDE = (
    "//evil.test",
    "/\\evil.test",
    "https://evil.test",
    "javascript:alert(1)",
    "/\t/evil.test",
    "\\/evil.test",
    "/%0d%0aset-cookie:x\r\n",
    "evil.test",
    "/login?next=/login",
    "/" + "a" * 3_000,
)


@pytest.mark.parametrize("goes_to", OUTSIDE)
def test_no_sign_in_leads_to_another_site(place, goes_to) -> None:
    assert own_path(goes_to) == "/"
    browser = place().browser()
    assert browser.sign_in("Anna", goes_to=goes_to).headers["location"] == "/"
    answer = browser.ask("GET", "/login", params={"next": goes_to})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_after_five_failures_one_waits_longer_and_longer(place) -> None:
    here = place()
    browser = here.browser()
    for _ in range(5):
        assert browser.sign_in("Anna", "wrong").status_code == 401
    answer = browser.sign_in("Anna")  # the right one is not even looked at
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    assert "try again in 1 second" in answer.text
    here.clock.at += SECOND
    assert browser.sign_in("Anna", "wrong").status_code == 401
    assert browser.sign_in("Anna").headers["retry-after"] == "2"
    assert here.browser(address="203.0.113.10").sign_in("Anna").status_code == 303
    here.clock.at += 2 * SECOND
    assert browser.sign_in("Anna").status_code == 303


def test_failures_of_one_address_count_whatever_the_name(place) -> None:
    here = place()
    browser = here.browser()
    for i in range(30):
        assert begin_attempt(here.state.people, f"user{i}", browser.address, here.clock.at) == 0
    assert browser.sign_in("Anna").status_code == 429
    here.clock.at += 15 * MINUTE
    assert browser.sign_in("Anna").status_code == 303


def test_many_attempts_at_once_gain_nothing(place) -> None:
    """They are counted before any is looked at."""
    here = place()

    def attempt(_: int) -> int:
        return begin_attempt(here.state.people, "Anna", "203.0.113.9", here.clock.at)

    with ThreadPoolExecutor(8) as pool:
        waits = list(pool.map(attempt, range(24)))
    assert sum(wait == 0 for wait in waits) == 5


def test_the_page_may_be_framed_by_nobody_and_runs_nothing(place) -> None:
    headers = place().browser().get("/login").headers
    policy = headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'none'" in policy
    assert "form-action 'self'" in policy
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-store"


def test_a_script_in_a_name_is_text(place) -> None:
    answer = place().browser().sign_in('"><script>alert(1)</script>', "x")
    assert "<script>" not in answer.text
    assert "&lt;script&gt;" in answer.text


@pytest.mark.parametrize(
    ("accepts", "asked", "says", "direction"),
    [
        ("it-IT,it;q=0.9", "", "Accedi", "ltr"),
        ("fr", "", "Se connecter", "ltr"),
        ("de, ja", "", "Sign in", "ltr"),
        ("en", "?lang=fa", "ورود", "rtl"),
        ("fr", "?lang=xx", "Se connecter", "ltr"),
    ],
)
def test_the_page_speaks_the_readers_language(place, accepts, asked, says, direction) -> None:
    page = place().browser().get(f"/login{asked}", **{"accept-language": accepts}).text
    assert f"<h1>{says}</h1>" in page
    assert f'dir="{direction}"' in page


def test_a_language_that_was_chosen_stays_after_a_wrong_password(place) -> None:
    browser = place().browser()
    page = browser.get("/login?lang=it").text
    place_of_form = re.findall(r'action="([^"]*)"', page)[0]
    form = {"token": re.findall(r'name="token" value="(\w+)"', page)[0], "name": "Anna"}
    assert "Nome utente o password errati." in browser.ask("POST", place_of_form, data=form).text


@pytest.mark.parametrize("body", [b"\xff\xfe", b"a=1&" * 60])
def test_a_body_that_is_no_form_is_refused(place, body) -> None:
    browser = place().browser()
    assert browser.ask("POST", "/login", content=body).status_code == 400
