"""The page on which people sign in, in their language, and the headers that it is sent with."""

from __future__ import annotations

from functools import cache
from typing import Final

from babel import Locale
from jinja2 import Template
from markupsafe import Markup

from serving.people.passwords import MAX_LETTERS, MIN_LETTERS
from serving.people.viewer import Viewer
from serving.worklist.language import words_of
from serving.worklist.page_files import make_environment, read_minified, security_policy
from serving.worklist.safe_text import isolated, shown
from serving.worklist.word_catalogues import languages

HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def choose_language(asked: str | None, accepts: str, usual: str) -> str:
    """Choose a language: the one asked for, else the first that the browser accepts.

    >>> choose_language(None, "de-CH, it;q=0.9, en;q=0.8", "en")
    'it'
    """
    known = languages()
    if asked in known:
        return str(asked)
    for part in accepts[:200].split(","):
        language = part.partition(";")[0].strip().partition("-")[0].lower()
        if language in known:
            return language
    return usual


def render_sign_in(
    title: str,
    language: str,
    *,
    sign_in: str,
    viewer: Viewer | None = None,
    problem: str = "",
    seconds: int = 0,
    name: str = "",
    token: str = "",
    goes_to: str = "/",
    provider: str = "",
) -> str:
    """Render the page: a form, a link to the provider, or who has signed in."""
    words = words_of(language)
    text = _template().render(
        w=words,
        t=words.t,
        tn=words.tn,
        attr=words.attr,
        isolated=isolated,
        shown=shown,
        css=Markup(_style()),  # our own file
        tongues=_tongues(),
        title=title,
        sign_in=sign_in,
        viewer=viewer,
        problem=problem,
        seconds=seconds,
        name=name,
        token=token,
        goes_to=goes_to,
        provider=provider,
        fewest=MIN_LETTERS,
        most=MAX_LETTERS,
    )
    return text.encode("utf-8", "replace").decode()  # a lone surrogate cannot be encoded


@cache
def policy() -> str:
    """Write the content security policy: our style, no script, our forms, in no frame."""
    return (
        security_policy(_style(), "").replace("form-action 'none'", "form-action 'self'")
        + "; frame-ancestors 'none'"
    )


@cache
def _template() -> Template:
    return make_environment().get_template("sign_in.html")


@cache
def _style() -> str:
    return read_minified("style.css") + "\n" + read_minified("sign_in.css")


@cache
def _tongues() -> tuple[tuple[str, str], ...]:
    return tuple((code, str(Locale.parse(code).display_name)) for code in languages())
