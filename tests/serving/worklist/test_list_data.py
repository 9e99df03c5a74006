"""What the list's script reads: filters and words to search."""

from __future__ import annotations

from dataclasses import replace

from serving.worklist.list_data import facet_values
from tests.fakes.report_view import make_view


def test_values_that_differ_by_case_alone_have_one_order() -> None:
    """A set gives them in another order in each process; the same report is the same bytes."""
    words = ["google", "Bing", "Google", "bing", "GOOGLE", "blog"]
    leads = make_view(len(words)).leads
    leads = [replace(lead, source=word) for lead, word in zip(leads, words, strict=True)]
    assert facet_values("source", leads, []) == [
        "Bing",
        "bing",
        "blog",
        "GOOGLE",
        "Google",
        "google",
    ]
