"""The package itself: its names, what importing it costs, and what it says of itself."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import leadscore as ls
from leadscore import lazy_exports


def test_the_public_names_are_sorted_and_those_of_the_lazy_exports() -> None:
    assert sorted(ls.__all__) == ls.__all__
    assert {name for name in vars(lazy_exports) if not name.startswith("__")} == set(ls.__all__)
    assert set(ls.__all__) <= set(dir(ls))


def test_the_help_of_the_package_begins_with_every_public_name() -> None:
    words = set(re.findall(r"\w+", inspect.getdoc(ls) or ""))
    assert set(ls.__all__) - words == set()


def public_callables() -> Iterator[tuple[str, Callable[..., Any]]]:
    """List the public functions, and the public methods of the public classes that are ours."""
    for name in ls.__all__:
        found = getattr(ls, name)
        if inspect.ismodule(found):
            functions = [each for each in found.__all__ if each.islower()]
            yield from ((f"{name}.{each}", getattr(found, each)) for each in functions)
        elif inspect.isclass(found):
            for each, member in inspect.getmembers(found, inspect.isfunction):
                if not each.startswith("_") and "sklearn" not in member.__module__:
                    yield f"{name}.{each}", member
        else:
            yield name, found


@pytest.mark.parametrize("member", [pytest.param(f, id=name) for name, f in public_callables()])
def test_a_docstring_lists_every_parameter_and_what_comes_back(member: Callable[..., Any]) -> None:
    sections = sections_of(inspect.getdoc(member) or "")
    signature = inspect.signature(member)
    asked = [each for each in signature.parameters if each != "self"]
    listed = re.findall(r"^(\w[\w, ]*?)(?: : .*)?$", sections.get("Parameters", ""), re.MULTILINE)
    assert sorted(each for line in listed for each in line.split(", ")) == sorted(asked)
    assert signature.return_annotation in (None, "None") or "Returns" in sections


def sections_of(text: str) -> dict[str, str]:
    """Cut a numpydoc docstring into its sections by their underlined titles."""
    parts = re.split(r"^(\w+)\n-+\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("name", ls.__all__)
def test_every_public_name_is_there_and_says_what_it_is(name: str) -> None:
    found = getattr(ls, name)
    assert inspect.getdoc(found)
    members = vars(found) if inspect.isclass(found) else {}
    if inspect.ismodule(found):
        members = {each: getattr(found, each) for each in found.__all__}
    silent = [n for n, each in members.items() if not n.startswith("_") and not each.__doc__]
    assert [n for n in silent if callable(members[n]) or isinstance(members[n], property)] == []


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'leadscore' has no attribute 'scores'"):
        ls.scores  # type: ignore[attr-defined]  # noqa: B018


def test_importing_the_door_loads_nothing_else() -> None:
    code = (
        "import sys; before = set(sys.modules); import leadscore; "
        "print(*sorted(set(sys.modules) - before))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in found.stdout.split()}
    assert loaded - set(sys.stdlib_module_names) == {"leadscore"}


def test_the_estimator_is_scikit_learns() -> None:
    from sklearn.base import BaseEstimator, is_classifier

    assert issubclass(ls.LeadClassifier, BaseEstimator)
    assert is_classifier(ls.LeadClassifier())


def test_errors_are_one_tree() -> None:
    for each in (ls.InputError, ls.GateError, ls.OutsideError):
        assert issubclass(each, ls.LeadScoreError)


def test_the_command_is_called_leadscore_also_as_a_module() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "leadscore", "--help"], capture_output=True, text=True, check=True
    )
    assert "Usage: leadscore [OPTIONS]" in found.stdout
    assert "--install-completion" in found.stdout


def test_the_shell_completes_the_verbs() -> None:
    asked = {
        **os.environ,
        "_LEADSCORE_COMPLETE": "complete_bash",
        "COMP_WORDS": "leadscore pro",
        "COMP_CWORD": "1",
    }
    found = subprocess.run(
        [sys.executable, "-m", "leadscore"],
        capture_output=True,
        text=True,
        check=False,
        env=asked,
    )
    assert found.stdout.split() == ["promote"]
