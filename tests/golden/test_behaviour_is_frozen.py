"""Whole companies, from data to report, give exactly what they gave when they were frozen.

What differs is named item by item; `tests/golden/freeze.py` says how goldens are written.
"""

from __future__ import annotations

import json
import sys

import pytest

from tests.golden.freeze import DEMO, GOLDENS, PYTHON, REAL, Frozen, differences, freeze

only_here = pytest.mark.skipif(
    sys.version_info[:2] != PYTHON,
    reason="goldens are made by Python 3.11: another numpy trains a model of other last bits",
)


@only_here
def test_the_demo_is_as_it_was_frozen(tmp_path):
    assert differences(DEMO, freeze(DEMO, tmp_path)) == []


@only_here
@pytest.mark.real_data
@pytest.mark.slow
@pytest.mark.parametrize("company", REAL)
def test_a_real_company_is_as_it_was_frozen(company, tmp_path):
    assert differences(company, freeze(company, tmp_path)) == []


def test_what_differs_is_named_with_both_values():
    goldens = [json.loads((GOLDENS / f"{DEMO}{end}.json").read_text()) for end in ("", "_texts")]
    frozen = Frozen(*goldens)
    assert differences(DEMO, frozen) == []
    frozen.facts["scores"]["band"]["counts"]["A"] += 1
    frozen.texts["report words"]["trust"] = "other"
    figure, words = differences(DEMO, frozen)
    assert figure.startswith("demo: scores/band/counts/A: ")
    assert words.startswith("demo_texts: report words/trust: ")
    assert words.endswith(" -> 'other'")
