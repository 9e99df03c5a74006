"""Sign-in at a provider of OpenID Connect, which is a contract server on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from data.durations import MINUTE, SECOND
from data.errors import InputError
from serving.people.people_store import add_user
from tests.fakes.oidc_provider import CLIENT, SECRET, OidcProvider, providing
from tests.serving.people.conftest import AT, Browser, Place, user

PERSON = {"sub": "42", "email": "anna@example.com", "email_verified": True}


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[OidcProvider]:
    monkeypatch.setenv("OUR_SECRET", SECRET)
    made = OidcProvider(dict(PERSON), "http://leads.test/oidc/callback", now=AT // SECOND)
    with providing(made):
        yield made


@pytest.fixture
def company(place, provider: OidcProvider) -> Place:
    here = place(
        allow=("127.0.0.1",),
        sign_in="oidc",
        url="http://leads.test",
        issuer=provider.url,
        client_id=CLIENT,
        client_secret="OUR_SECRET",
    )
    add_user(here.state.people, user("anna@example.com", "rep", "Anna Bianchi"))
    return here


def go_there(browser: Browser, goes_to: str = "/account") -> str:
    """Follow the way to the provider; gives the address to which it sends the browser back."""
    started = browser.get(f"/oidc/start?next={goes_to}")
    assert started.status_code == 303, started.text
    answer = httpx.get(started.headers["location"])
    assert answer.status_code == 302
    back = urlsplit(answer.headers["location"])
    return f"{back.path}?{back.query}"


def test_who_is_a_user_here_comes_in_and_goes_on(company: Place, provider: OidcProvider) -> None:
    browser = company.browser()
    page = browser.get("/login?next=/account").text
    assert "Sign in with <bdi>127.0.0.1</bdi>" in page
    assert 'href="/oidc/start?next=/account"' in page
    answer = browser.ask("GET", go_there(browser))
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    assert "Signed in as <bdi>anna@example.com</bdi>" in browser.get("/account").text
    assert provider.seen.count("/token") == 1
    browser.ask("POST", "/logout", data={"csrf": browser.token("/account")})
    assert browser.get("/account").status_code == 303


def test_a_provider_that_says_null_is_taken_at_the_defaults(
    company: Place, provider: OidcProvider
) -> None:
    provider.says_nothing = True
    browser = company.browser()
    assert browser.ask("GET", go_there(browser)).status_code == 303


def test_no_proxy_of_the_environment_learns_code_and_secret(
    company: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = company.browser()
    back = go_there(browser)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody is there
    assert browser.ask("GET", back).status_code == 303


def test_the_request_carries_state_nonce_and_the_hash_of_a_verifier(company: Place) -> None:
    browser = company.browser()
    first, second = (
        parse_qs(urlsplit(browser.get("/oidc/start").headers["location"]).query) for _ in range(2)
    )
    assert first["code_challenge_method"] == ["S256"]
    assert first["response_type"] == ["code"]
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name][0]) >= 43
        assert first[name] != second[name]


@pytest.mark.parametrize(
    "wrong",
    [
        "iss",
        "aud",
        "exp",
        "nonce",
        "at_hash",
        "other key",
        "no signature",
        "our secret signs",
        "their public key signs",
        "other issuer",
        "token endpoint elsewhere",
    ],
)
def test_a_token_that_is_not_as_it_should_be_lets_nobody_in(
    company: Place, provider: OidcProvider, wrong: str
) -> None:
    browser = company.browser()
    back = go_there(browser)
    provider.wrong = wrong
    answer = browser.ask("GET", back)
    assert answer.status_code == 502
    assert "does not answer" in answer.text
    assert browser.get("/account").status_code == 303


def test_an_answer_serves_once_and_the_browser_that_asked(company: Place) -> None:
    mine, other = company.browser(), company.browser()
    back = go_there(mine)
    go_there(other)
    assert other.ask("GET", back).status_code == 403  # somebody else's answer: no sign-in as them
    assert mine.ask("GET", back).status_code == 303
    again = company.browser()
    again.cookies = mine.cookies
    assert again.ask("GET", back).status_code == 403


def test_a_wrong_state_a_refusal_and_another_issuer_are_no_sign_in(
    company: Place, provider: OidcProvider
) -> None:
    browser = company.browser()
    provider.wrong = "state"
    assert browser.ask("GET", go_there(browser)).status_code == 403
    provider.wrong = ""
    back = go_there(browser)
    state = parse_qs(urlsplit(back).query)["state"][0]
    refused = browser.ask("GET", f"/oidc/callback?error=access_denied&state={state}")
    assert refused.status_code == 403
    assert "not completed" in refused.text
    assert browser.ask("GET", f"{go_there(browser)}&iss=http://evil.test").status_code == 403
    assert browser.ask("GET", "/oidc/callback").status_code == 403
    assert browser.get("/account").status_code == 303


def test_a_sign_in_at_the_provider_takes_ten_minutes_at_most(company: Place) -> None:
    browser = company.browser()
    back = go_there(browser)
    company.clock.at += 10 * MINUTE
    assert browser.ask("GET", back).status_code == 403


@pytest.mark.parametrize(
    ("person", "status"),
    [
        ({"email": "nobody@example.com"}, 403),
        ({"email": "ANNA@example.com"}, 303),
        ({"email_verified": False}, 403),
        ({"email_verified": None}, 403),
        ({"email": 7}, 403),
        ({"email": ""}, 403),
    ],
)
def test_only_a_verified_address_of_a_user_comes_in(
    company: Place, provider: OidcProvider, person: dict[str, object], status: int
) -> None:
    provider.person |= person
    browser = company.browser()
    assert browser.ask("GET", go_there(browser)).status_code == status


@pytest.mark.parametrize("goes_to", ["//evil.test", "https://evil.test", "/%5Cevil.test"])
def test_the_way_back_leads_to_no_other_site(company: Place, goes_to: str) -> None:
    browser = company.browser()
    assert browser.ask("GET", go_there(browser, goes_to)).headers["location"] == "/"


def test_a_session_put_into_the_browser_before_is_not_used(company: Place) -> None:
    browser = company.browser()
    browser.cookies.set("leadscore", "fixed", domain="leads.test", path="/")
    browser.ask("GET", go_there(browser))
    assert browser.cookies["leadscore"] != "fixed"


def test_a_provider_that_is_away_is_said_so(company: Place, provider: OidcProvider) -> None:
    provider.url = "http://127.0.0.1:9"
    answer = company.browser().get("/oidc/start")
    assert answer.status_code == 502
    assert "does not answer" in answer.text


def test_there_is_no_form_and_no_password_where_a_provider_signs_in(company: Place) -> None:
    browser = company.browser()
    assert "password" not in browser.get("/login").text
    assert browser.ask("POST", "/login", data={"name": "boss"}).status_code == 405


def test_a_provider_that_the_network_section_does_not_name_is_not_asked(place) -> None:
    section = {
        "sign_in": "oidc",
        "url": "http://leads.test",
        "issuer": "http://127.0.0.1:9",
        "client_id": "x",
    }
    with pytest.raises(InputError, match=r"127\.0\.0\.1' is not allowed"):
        place(**section)
