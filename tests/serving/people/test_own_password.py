"""Whoever is signed in changes the own password: the old one is asked for, other sessions end."""

from __future__ import annotations

import pytest

from data.durations import DAY
from serving.people.lead_audit import list_acts
from tests.serving.people.conftest import HOST, PASSWORD

NEW = "another long horse"


def change(browser, old=PASSWORD, new=NEW, again=None, *, csrf=None, **headers):
    """Fill in the form of /account and send it."""
    form = {"old": old, "new": new, "again": new if again is None else again}
    form["csrf"] = browser.token("/account") if csrf is None else csrf
    return browser.ask("POST", "/account/password", data=form, headers=headers)


@pytest.mark.parametrize("name", ["Anna", "looker"])
def test_the_new_password_signs_in_and_every_other_session_ends(place, name) -> None:
    here = place()
    browser, other = here.browser(), here.browser()
    browser.sign_in(name)
    other.sign_in(name)
    before = dict(browser.cookies)
    answer = change(browser)
    assert answer.status_code == 200
    assert "Your password is changed" in answer.text
    assert dict(browser.cookies) != before
    assert browser.get("/account").status_code == 200
    assert other.get("/account").status_code == 303
    assert here.browser().sign_in(name).status_code == 401
    assert here.browser().sign_in(name, NEW).status_code == 303
    acts = [act.action for act in list_acts(here.state.people, at=here.clock.at, user=name)]
    assert "password changed" in acts


@pytest.mark.parametrize(
    ("old", "new", "again", "status", "said"),
    [
        ("wrong", NEW, NEW, 403, "The present password is another one."),
        (PASSWORD, NEW, NEW + "x", 422, "The two new passwords differ."),
        (PASSWORD, "short", "short", 422, "needs 12 letters or more"),
        (PASSWORD, "aaaaaaaaaaaaaa", "aaaaaaaaaaaaaa", 422, "easily guessed"),
        (PASSWORD, "ab" * 600, "ab" * 600, 422, "at most 1,000 letters"),
    ],
)
def test_what_is_refused_changes_nothing_and_says_why(place, old, new, again, status, said) -> None:
    here = place()
    browser = here.browser()
    browser.sign_in("Anna")
    answer = change(browser, old, new, again)
    assert answer.status_code == status
    assert said in answer.text
    assert here.browser().sign_in("Anna").status_code == 303


def test_another_site_and_a_foreign_form_are_refused(place) -> None:
    here = place()
    browser, boss = here.browser(), here.browser()
    browser.sign_in("Anna")
    boss.sign_in("boss")
    assert change(browser, csrf=boss.token("/account")).status_code == 403
    assert change(browser, csrf="").status_code == 403
    assert change(browser, origin="http://evil.test").status_code == 403
    assert change(browser, origin=HOST).status_code == 200
    assert here.browser().ask("POST", "/account/password", data={}).status_code == 401


def test_guesses_of_the_present_password_become_slow(place) -> None:
    here = place()
    browser = here.browser()
    browser.sign_in("Anna")
    answers = [change(browser, f"guess {i} of many") for i in range(7)]
    assert [answer.status_code for answer in answers][-1] == 429
    assert "Too many attempts" in answers[-1].text
    assert change(browser).status_code == 429
    here.clock.at += DAY // 24
    assert change(browser).status_code == 200


def test_where_a_proxy_signs_in_there_is_no_password_to_change(place) -> None:
    here = place(sign_in="proxy", proxies=["203.0.113.9"])
    browser = here.browser()
    page = browser.get("/account", **{"x-forwarded-user": "Anna"})
    assert "password" not in page.text.lower()
    assert browser.ask("POST", "/account/password", data={}).status_code in (404, 405)
