"""Rules: what holds, what is unknown, what is refused, and DuckDB's opinion of the same."""

from __future__ import annotations

import time

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import InputError
from data.expressions import parse

FRAME = pd.DataFrame(
    {
        "n": [1.0, 2.0, None, 4.0],
        "size": [10, 200, 30, 40],
        "name": ["Acme", None, "Beta's", "100%"],
        "Lead Source": ["Web", "web", "Event", None],
        "open": [True, False, True, None],
        "answer": ["yes", "no", None, "Yes"],
        "at": pd.to_datetime(["2026-01-01", "2026-02-01", None, "2026-03-01"], utc=True),
    }
)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("n > 1", [1, 3]),
        ("not n > 1", [0]),
        ("n is null", [2]),
        ("n is known and size < 50", [0, 3]),
        ("n is not known or size = 200", [1, 2]),
        ("name is missing", [1]),
        ("name = 'Beta''s'", [2]),
        ("name <> 'Acme'", [2, 3]),
        ("name like 'A%'", [0]),
        ("name ilike '%ME'", [0]),
        ("name like '____'", [0, 3]),
        ("name not like 'A%'", [2, 3]),
        ("\"Lead Source\" in ('Web', 'Event')", [0, 2]),
        ("\"Lead Source\" not in ('Web')", [1, 2]),
        ("size between 30 and 200", [1, 2, 3]),
        ("size not between 30 and 200", [0]),
        ("n * 2 + 1 = 5", [1]),
        ("size / (n - 1) > 0", [1, 3]),
        ("-n < -1", [1, 3]),
        ("n in (-1, 4)", [3]),
        ("open", [0, 2]),
        ("answer", [0, 3]),
        ("open = false", [1]),
        ("true", [0, 1, 2, 3]),
        ("null", []),
        ("n > 1 or true", [0, 1, 2, 3]),
        ("at >= '2026-02-01'", [1, 3]),
        ("n = 1 or size = 30 and n is null", [0, 2]),
        ("(n = 1 or size = 30) and n is null", [2]),
        ("n is null or n = 1", [0, 2]),
    ],
)
def test_a_rule_holds_on_exactly_these_rows(text: str, rows: list[int]) -> None:
    assert np.flatnonzero(parse(text).holds(FRAME, len(FRAME))).tolist() == rows


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lower(name) = 'x'", "calls are not allowed: at position 1 (`lower(name) = 'x'`)"),
        ("n > 1 and read_csv('x')", "at position 11"),
        ("n >", "at the end"),
        ("n > 1 n", "at position 7"),
        ("name = 'open", "close the quote"),
        ("n ; drop table leads", "at position 3 (`; drop table leads`)"),
        ("n > 1 /* comment */", "a column or a value is missing"),
        ("n > " + "1+" * 60 + "1", "terms in one sum"),
        ("__import__('os')", "calls are not allowed"),
        ("n.real", "at position 2"),
        ("n[0]", "cannot be read at position 2"),
        ("n in (size)", "only values belong in a list"),
        ("name like size", "a quoted pattern is missing"),
        ("n is 3", "`null`, `missing` or `known` is missing"),
        ("", "a column or a value is missing"),
        ("(" * 50 + "n" + ")" * 50, "nested deeper"),
        ("not " * 60 + "open", "nested deeper"),
        ("n > " + "1 + " * 600 + "1", "characters"),
        ("n in (" + ",".join("1" * 1 for _ in range(230)) + ")", "list is longer"),
    ],
)
def test_what_is_no_rule_is_refused_with_its_key_and_place(text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text, where="qualification.disqualify[2].when")
    assert words in str(caught.value)
    assert str(caught.value).startswith("qualification.disqualify[2].when: ")
    assert "\n" not in str(caught.value)


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(InputError, match=r"there is no 'sise'.*did you mean size"):
        parse("sise > 3", columns=["size", "name"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name > 3", "'Acme' is no number"),
        ("name", "'acme' is neither true nor false"),
        ("at > 3", "quoted date"),
        ("at > 'soon'", "'soon' is no date"),
        ("n like 'x%'", "only text is matched"),
    ],
)
def test_kinds_that_do_not_fit_are_named(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse(text).holds(FRAME, len(FRAME))


def test_clauses_split_at_the_outermost_and() -> None:
    rule = parse("n > 1 and (open or size > 3) and (name is known and size between 1 and 9)")
    assert [clause.text for clause in rule.clauses()] == [
        "n > 1",
        "open or size > 3",
        "name is known",
        "size between 1 and 9",
    ]


def test_a_hostile_pattern_takes_no_time() -> None:
    frame = pd.DataFrame({"name": ["a" * 100_000]})
    started = time.process_time()
    parse("name like '" + "%a" * 400 + "%b'").holds(frame, 1)
    assert time.process_time() - started < 1.0


def test_sql_binds_values_and_quotes_names() -> None:
    text, bound = parse("\"a\"\"b; drop\" = '1'' OR 1=1' and n > 2").sql()
    assert text == '(("a""b; drop" = ?) and (n > ?))'.replace("(n >", '("n" >')
    assert bound == ["1' OR 1=1", 2.0]


_numbers = st.sampled_from(["n", "m", "1", "2.5", "0", "n + m", "n / m", "-m"])
_signs = st.sampled_from(["=", "<>", "<", "<=", ">", ">="])
_texts = st.sampled_from(["t", "'a'", "'b%'", "''"])
_atoms = st.one_of(
    st.builds(lambda a, s, b: f"{a} {s} {b}", _numbers, _signs, _numbers),
    st.builds(lambda a, s, b: f"{a} {s} {b}", _texts, _signs, _texts),
    st.builds(lambda a: f"{a} is null", _numbers),
    st.builds(lambda p: f"t like '{p}'", st.sampled_from(["a%", "%b", "_", "%", "a_%c", "%a%b%"])),
    st.just("n in (1, 2)"),
    st.just("t not in ('a', 'ab')"),
    st.just("n between m and 3"),
)
_rules = st.recursive(
    _atoms,
    lambda inner: st.one_of(
        st.builds(lambda a, b: f"({a}) and ({b})", inner, inner),
        st.builds(lambda a, b: f"({a}) or ({b})", inner, inner),
        st.builds(lambda a: f"not ({a})", inner),
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(_rules)
def test_duckdb_says_the_same(text: str) -> None:
    values = [None, 0.0, 1.0, 2.0, 2.5]
    words = [None, "", "a", "ab", "abc", "b%"]
    rows = [(n, m, t) for n in values for m in values for t in words]
    frame = pd.DataFrame(rows, columns=["n", "m", "t"])
    rule = parse(text)
    condition, bound = rule.sql()
    with duckdb.connect() as connection:
        connection.register("g", frame.assign(i=range(len(frame))))
        kept = connection.execute(f"select i from g where {condition} order by i", bound).fetchall()
        unknown = connection.execute(
            f"select i from g where ({condition}) is null order by i", bound
        ).fetchall()
    holds, known = rule.evaluate(frame, len(frame))
    assert np.flatnonzero(holds).tolist() == [row[0] for row in kept]
    assert np.flatnonzero(~known).tolist() == [row[0] for row in unknown]
