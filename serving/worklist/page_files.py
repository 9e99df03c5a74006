"""Templates, style sheet and script -> what a page is made of, and what it may load and run."""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context

HERE: Final = Path(__file__).parent


def make_environment() -> Environment:
    """Make the environment of the templates: values are escaped, unknown names are errors."""
    return Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
    )


@cache
def shared_environment() -> Environment:
    """Make the environment of the report once: its templates are compiled when first used.

    What differs between reports comes with each rendering, the places of their bands too.
    """
    environment = make_environment()
    environment.filters["band"] = _place_of_band
    return environment


@pass_context
def _place_of_band(context: Context, band: str | None) -> int:
    place: int = context["band_place"](band)
    return place


def read_minified(name: str) -> str:
    """Read a file of this folder without its comments and indentation."""
    text = (HERE / name).read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())


def security_policy(style: str, script: str) -> str:
    """Write the content security policy: nothing is loaded, only this style and script run."""

    def digest(text: str) -> str:
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    return (
        f"default-src 'none'; style-src 'sha256-{digest(style)}'; "
        f"script-src 'sha256-{digest(script)}'; base-uri 'none'; form-action 'none'"
    )


def deflated(html: str) -> str:
    """Compress a piece of the page (zlib, base64); the browser inflates it when it is needed."""
    return base64.b64encode(zlib.compress(html.encode("utf-8", "replace"), 9)).decode()


def clean(page: str) -> str:
    """Replace lone surrogates, which cannot be encoded."""
    return page.encode("utf-8", "replace").decode()
