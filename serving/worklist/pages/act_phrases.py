"""An act of a lead and when it was -> a phrase: "Asked for a demo 4 days ago", and its answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from data.schema_steps import ACT, OwnWords
from features.acts import ACTS, act_of
from models.explain import fixed_sentences as fixed
from serving.worklist.phrase import Phrase, Scalar

_REPLIES: Final[Mapping[str, Phrase]] = {
    "demo_request": Phrase("Offer a date for the demo they asked for"),
    "quote_request": Phrase("Send the quote they asked for"),
    "form": Phrase("Answer the form they sent"),
    "chat": Phrase("Answer what they wrote in the chat"),
    "email_reply": Phrase("Answer their e-mail"),
    "email": Phrase("Answer their e-mail"),
    "call": Phrase("Call them back"),
    "trial": Phrase("Help them with their trial"),
    "meeting_agreed": Phrase("Confirm the meeting they agreed to"),
}
_CONTACTS: Final = {
    "sales_call": "Call",
    "sales_email": "Send an e-mail",
    "meeting": "Agree on a meeting",
}
"""Words of the vocabulary."""


def act_phrase(acts: Mapping[str, OwnWords], event: str, by: str, when: Phrase) -> Phrase | None:
    """Say that an event happened, in the company's words (`acts`) or ours; None without either."""
    own = acts.get(event)
    filled: dict[str, Scalar | Phrase | None] = {"when": when, "times": "", "n": 1}
    act = ACTS.get(own if isinstance(own, str) else act_of(event, by))
    if act is not None:
        return Phrase(act.did[0], filled, many=act.did[1])
    if own is not None:
        filled["act"] = ACT + event
        return Phrase(fixed.OWN_ACT[0], filled, many=fixed.OWN_ACT[1])
    return None


def ago(days: int) -> Phrase:
    """Say how many days ago, today and yesterday by name."""
    if days < 2:
        return Phrase("today") if days < 1 else Phrase("yesterday")
    past: dict[str, Scalar | Phrase | None] = {"n": days}
    return Phrase(fixed.AGO["days"][0], past, many=fixed.AGO["days"][1])


def answer_to(event: str) -> Phrase:
    """Say how to answer what a lead asked for."""
    named = {"label": event.replace("_", " "), "event": event}
    return _REPLIES.get(act_of(event, "lead"), Phrase("Answer first: {label}", named))


def contact_by(event: str) -> Phrase:
    """Say to do what an event type of sales is."""
    named = {"label": event.replace("_", " "), "event": event}
    known = _CONTACTS.get(act_of(event, "sales"))
    return Phrase("Next touch: {label}", named) if known is None else Phrase(known)
