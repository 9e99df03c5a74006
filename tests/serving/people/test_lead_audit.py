"""The audit: who looked at what, for 90 days, without the lead's id; nothing once forgotten."""

from __future__ import annotations

from data.durations import DAY
from serving.forget import forget_lead
from serving.people.lead_audit import forget_acts, list_acts

WHO = "L-0000042-secret"


def raw(state) -> bytes:
    return b"".join(path.read_bytes() for path in state.folder.glob("people.sqlite*"))


def test_the_audit_says_who_and_what_and_finds_a_lead_that_it_does_not_name(place) -> None:
    here = place()
    browser = here.pages()
    browser.sign_in("nobody")
    browser.sign_in("Anna", "wrong")
    browser.sign_in("Anna")
    browser.get(f"/lead/{WHO}")
    browser.get("/lead/another")
    acts = list_acts(here.state.people, at=here.clock.at)
    assert [(act.user, act.action) for act in acts] == [
        ("", "sign-in refused"),
        ("Anna", "sign-in refused"),
        ("Anna", "sign in"),
        ("Anna", "looked"),
        ("Anna", "looked"),
    ]
    [about] = list_acts(here.state.people, at=here.clock.at, lead_id=WHO, user="ANNA")
    assert about == acts[3]
    assert WHO.encode() not in raw(here.state)
    assert WHO not in str(about)


def test_a_forgotten_lead_is_in_no_entry_any_more(place) -> None:
    here = place()
    browser = here.pages()
    browser.sign_in("Anna")
    browser.get(f"/lead/{WHO}")
    browser.get("/lead/another")
    [about] = list_acts(here.state.people, at=here.clock.at, lead_id=WHO)
    erased = forget_lead(here.state, WHO)
    assert erased["audit entries of people, cut loose"] == 1
    assert list_acts(here.state.people, at=here.clock.at, lead_id=WHO) == ()
    assert str(about.lead).encode() not in raw(here.state)
    assert len(list_acts(here.state.people, at=here.clock.at)) == 3
    assert len(list_acts(here.state.people, at=here.clock.at, lead_id="another")) == 1
    assert browser.get("/account").status_code == 200
    assert forget_acts(here.state.folder / "none.sqlite", WHO) == 0


def test_entries_are_kept_ninety_days(place) -> None:
    here = place()
    browser = here.pages()
    browser.sign_in("Anna")
    first = here.clock.at
    here.clock.at += 90 * DAY
    assert len(list_acts(here.state.people, at=here.clock.at)) == 1
    here.clock.at += 1
    assert list_acts(here.state.people, at=here.clock.at) == ()
    browser.sign_in("Anna")
    assert list_acts(here.state.people, at=first)[0].at == here.clock.at  # the old one is erased
