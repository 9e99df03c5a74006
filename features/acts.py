"""Event types -> what a lead or sales did, as whole sentences: "Asked for a demo twice this week".

Which act an event type is, its name says, in the words that CRMs use; who acts (`by`), the events
themselves. The project file gives event types of other names an act, or a sentence of their own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from data.sketch.vocabulary import side_of_type


@dataclass(frozen=True, slots=True)
class Act:
    """The sentences of one act: done once and {times}, {when}; not done {when}; never done.

    {times} is "twice", "3 times"; {when} is "this week", "3 days ago", or nothing. `direction` is
    1 where more of it never makes a conversion less likely, -1 where never more; 0: not certain.
    """

    did: tuple[str, str]
    did_not: str
    never: str
    direction: int = 0


def _act(did: str, did_not: str, never: str, direction: int = 0) -> Act:
    """Make an act of the sentences without {times} and {when}."""
    done = f"{did} {{when}}", f"{did} {{times}} {{when}}"
    return Act(done, f"{did_not} {{when}}", never, direction)


def _wish(did: str, did_not: str, never: str) -> Act:
    """Make an act that shows interest."""
    return _act(did, did_not, never, 1)


ACTS: Final[Mapping[str, Act]] = {
    "web_visit": _wish(
        "Visited the site", "Has not visited the site", "Has never visited the site"
    ),
    "pricing_page": _wish(
        "Looked at the prices", "Has not looked at the prices", "Has never looked at the prices"
    ),
    "demo_request": _wish(
        "Asked for a demo", "Has not asked for a demo", "Has never asked for a demo"
    ),
    "quote_request": _wish(
        "Asked for a quote", "Has not asked for a quote", "Has never asked for a quote"
    ),
    "trial": _wish("Used the trial", "Has not used the trial", "Has never used the trial"),
    "signup": _wish("Signed up", "Has not signed up", "Has never signed up"),
    "login": _wish("Logged in", "Has not logged in", "Has never logged in"),
    "form": _wish("Sent a form", "Has not sent a form", "Has never sent a form"),
    "newsletter": _act(
        "Read the newsletter", "Has not read the newsletter", "Has never read the newsletter"
    ),
    "ebook": _wish(
        "Downloaded an e-book", "Has not downloaded an e-book", "Has never downloaded an e-book"
    ),
    "white_paper": _wish(
        "Downloaded a white paper",
        "Has not downloaded a white paper",
        "Has never downloaded a white paper",
    ),
    "download": _wish(
        "Downloaded something", "Has not downloaded anything", "Has never downloaded anything"
    ),
    "webinar": _wish(
        "Attended a webinar", "Has not attended a webinar", "Has never attended a webinar"
    ),
    "seminar": _wish(
        "Attended a seminar", "Has not attended a seminar", "Has never attended a seminar"
    ),
    "video": _wish("Watched a video", "Has not watched a video", "Has never watched a video"),
    "chat": _wish("Wrote in the chat", "Has not written in the chat", "Has never used the chat"),
    "call": _wish("Called us", "Has not called us", "Has never called us"),
    "email": _wish("Wrote us an e-mail", "Has not written to us", "Has never written to us"),
    "email_reply": _wish(
        "Replied to an e-mail", "Has not replied to an e-mail", "Has never replied to an e-mail"
    ),
    "email_open": _act(
        "Opened an e-mail", "Has not opened an e-mail", "Has never opened an e-mail"
    ),
    "email_click": _act(
        "Clicked a link in an e-mail",
        "Has not clicked a link in an e-mail",
        "Has never clicked a link in an e-mail",
    ),
    "unsubscribe": _act(
        "Unsubscribed from e-mails",
        "Has not unsubscribed from e-mails",
        "Has never unsubscribed from e-mails",
        -1,
    ),
    "meeting": _wish("Met with sales", "Has not met with sales", "Has never met with sales"),
    "meeting_agreed": _wish(
        "Agreed to meet sales", "Has not agreed to meet sales", "Has never agreed to meet sales"
    ),
    "no_show": _act(
        "Did not come to the meeting", "Has not missed a meeting", "Has never missed a meeting"
    ),
    "no_answer": _act(
        "Did not answer the phone",
        "No call went unanswered",
        "No call has gone unanswered so far",
    ),
    "purchase": _wish("Bought something", "Has not bought anything", "Has never bought anything"),
    "sales_call": _act("Sales called", "Sales has not called", "Sales has never called"),
    "sales_email": _act(
        "Sales sent an e-mail", "Sales has not sent an e-mail", "Sales has never sent an e-mail"
    ),
    "sales_newsletter": _act(
        "Sales sent the newsletter",
        "Sales has not sent the newsletter",
        "Sales has never sent the newsletter",
    ),
    "sales_offer": _act(
        "Sales sent an offer", "Sales has not sent an offer", "Sales has never sent an offer"
    ),
    "sales_contract": _act(
        "Sales sent the contract",
        "Sales has not sent the contract",
        "Sales has never sent the contract",
    ),
    "sales_demo": _act(
        "Sales showed a demo", "Sales has not shown a demo", "Sales has never shown a demo"
    ),
    "other": _act(
        "Something else happened", "Nothing else happened", "Nothing else has happened yet"
    ),
}

# The first that a name matches; what comes before is the more particular.
_NAMES: Final = tuple(
    (re.compile(pattern), act)
    for pattern, act in (
        (r"unsubscri|opt_?out|disiscri|désabonn", "unsubscribe"),
        (r"no_?show|(meeting|demo)_missed|(^|_)missed_(meeting|appointment|demo)", "no_show"),
        (r"no_?answer|not_answer|unanswered|(^|_)missed_call|call_missed|voice_?mail", "no_answer"),
        (r"bounce|spam|fail|cancel|(^|_)miss|declin|reject|annull|refus", ""),
        (r"demo|démo", "demo_request"),
        (r"pric|prezz|tarif|prix", "pricing_page"),
        (r"quot(e|ation)_?req|request_?(a_)?quot|preventiv|devis", "quote_request"),
        (r"trial|_prova|^prova|essai", "trial"),
        (r"webinar|webinaire", "webinar"),
        (r"seminar|séminaire", "seminar"),
        (r"newsletter", "newsletter"),
        (r"e_?book", "ebook"),
        (r"white_?paper|livre_blanc", "white_paper"),
        (r"download|télécharg|scaric", "download"),
        (r"video", "video"),
        (r"chat", "chat"),
        (r"mail.*(repl|answer|rispost|répon)|(repl|rispost|répon).*mail", "email_reply"),
        (r"mail.*(open|apert|ouvert)|(open|apert|ouvert).*mail", "email_open"),
        (r"mail.*(click|clic)|(click|clic).*mail", "email_click"),
        (r"(meeting|appointment).*(agree|book|schedul|set)", "meeting_agreed"),
        (r"meeting|incontr|rendez_?vous|appointment|appuntament", "meeting"),
        (r"(^|_)(call|phone|telephone|telefonat|chiamat|appel|téléphon)", "call"),
        (r"(^|_)e?_?mail", "email"),
        (r"sign_?up|registr|iscrizion|inscription", "signup"),
        (r"log_?in|sign_?in|accesso", "login"),
        (r"(^|_)(contact_)?(form|modulo|formulaire)(s|_|$)", "form"),
        (r"purchas|order_placed|acquist|achat", "purchase"),
        (r"(web|site|page).*(visit|view|visite)|(visit|view|visite).*(web|site|page)", "web_visit"),
        (r"proposal|offer|offre", "offer"),
        (r"contra(c?t|tto)", "contract"),
    )
)
_BY_SALES: Final[Mapping[str, str]] = {
    "call": "sales_call",
    "email": "sales_email",
    "meeting": "meeting",
    "meeting_agreed": "meeting_agreed",
    "no_show": "no_show",
    "no_answer": "no_answer",
    "newsletter": "sales_newsletter",
    "offer": "sales_offer",
    "contract": "sales_contract",
    "demo_request": "sales_demo",
}
_CALLS: Final = frozenset({"call", "sales_call"})


@lru_cache(maxsize=4096)
def act_of(event: str, by: str = "") -> str:
    """Name the act that an event type is; "" where its name says none that `by` can do.

    `by` is "lead", "sales", or "" where the events do not say; then the name may.

    >>> act_of("demo_request"), act_of("Phone call", "sales"), act_of("sales_call"), act_of("x9")
    ('demo_request', 'sales_call', 'sales_call', '')
    >>> act_of("form_submission"), act_of("Call: no answer", "sales"), act_of("missed_meeting")
    ('form', 'no_answer', 'no_show')
    >>> act_of("Chiamata in uscita"), act_of("Chiamata"), act_of("Chiamata in uscita", "lead")
    ('sales_call', 'call', 'call')
    """
    name = re.sub(r"[^\w]+", "_", event.strip().lower())
    act = next((act for pattern, act in _NAMES if pattern.search(name)), "")
    if by == "sales" or (not by and side_of_type(event) == "sales"):
        return _BY_SALES.get(act, "")
    return act if act in ACTS else ""


def are_calls(acts: frozenset[str]) -> bool:
    """Say whether all acts are calls."""
    return bool(acts) and acts <= _CALLS
