"""Code that no user can reach does not exist.

Starting from the console command, the model file that MLflow loads, the notebooks and the package
`leadscore`, names are followed function by function, class by class, constant by constant. Whatever
of the product is never mentioned on the way has to go. A public method counts as reached where
reached code mentions an attribute so named.
"""

from __future__ import annotations

import ast
import importlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).parents[1]
FOLDERS = ("data", "features", "models", "training", "serving")
FACADE = "leadscore"
LOADED_BY_MLFLOW = ("models.pyfunc_model", "serving.raw_pyfunc")

Name = tuple[str, str]  # a module and a top-level name in it; "" is the module itself
Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass
class Module:
    """One module: its top-level definitions, what runs on import, what its imports bind."""

    name: str
    defined: dict[str, ast.stmt] = field(default_factory=dict)
    runs: list[ast.stmt] = field(default_factory=list)
    imported: dict[str, Name] = field(default_factory=dict)


@dataclass
class Reached:
    """What the walk came to: top-level names, and every attribute that they mention."""

    names: set[Name] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Walk the statements that an import executes, without `if __name__ == "__main__"`."""
    for each in body:
        if not isinstance(each, ast.If | ast.Try):
            yield each
        elif isinstance(each, ast.Try) or "__main__" not in ast.unparse(each.test):
            yield from statements([*each.body, *each.orelse])


def targets(each: ast.stmt) -> list[str]:
    """Name what one statement defines."""
    if isinstance(each, Definition):
        return [each.name]
    left = each.targets if isinstance(each, ast.Assign) else []
    left = [each.target] if isinstance(each, ast.AnnAssign) else left
    names = [node for part in left for node in ast.walk(part)]
    return [n.id for n in names if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]


def bindings(node: ast.AST) -> dict[str, Name]:
    """Say what the imports in a piece of code bind: local name -> (module, name in it)."""
    bound: dict[str, Name] = {}
    for each in ast.walk(node):
        if isinstance(each, ast.Import):
            for a in each.names:
                first = a.name.partition(".")[0]
                bound[a.asname or first] = (a.name if a.asname else first, "")
        elif isinstance(each, ast.ImportFrom):
            bound |= {a.asname or a.name: (str(each.module), a.name) for a in each.names}
    return bound


def parse(name: str, source: str) -> Module:
    """Read one module."""
    module = Module(name)
    for each in statements(ast.parse(source).body):
        if isinstance(each, ast.Import | ast.ImportFrom):
            module.imported |= bindings(each)
        elif names := targets(each):
            module.defined |= dict.fromkeys(names, each)
        else:
            module.runs.append(each)
    return module


@cache
def product() -> Mapping[str, Module]:
    """Read the five folders and the facade."""
    paths = [p for folder in (*FOLDERS, FACADE) for p in sorted((ROOT / folder).rglob("*.py"))]
    dotted = [".".join(p.relative_to(ROOT).with_suffix("").parts) for p in paths]
    names = [each.removesuffix(".__init__") for each in dotted]
    return {n: parse(n, p.read_text(encoding="utf-8")) for n, p in zip(names, paths, strict=True)}


def resolve(module: str, name: str) -> Name | None:
    """Follow an import to where the name is defined; None outside the product."""
    if f"{module}.{name}" in product():
        return (f"{module}.{name}", "")
    if module not in product() or not name:
        return (module, "") if module in product() else None
    if name in product()[module].defined:
        return (module, name)
    again = product()[module].imported.get(name)
    return resolve(*again) if again else None


def own_names(scope: Scope) -> set[str]:
    """Name what a function binds for itself: arguments, assignments, loops, inner functions."""
    args = scope.args
    every = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
    bound = {a.arg for a in every if a is not None}
    waiting: list[ast.AST] = [] if isinstance(scope, ast.Lambda) else [*scope.body]
    while waiting:
        each = waiting.pop()
        if isinstance(each, Definition):
            bound.add(each.name)
        elif isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
            bound.add(each.id)
        if not isinstance(each, Definition | ast.Lambda):
            waiting += ast.iter_child_nodes(each)
    return bound


def mentions(node: ast.AST, hidden: frozenset[str] = frozenset()) -> Iterator[list[str]]:
    """Yield each global name that code mentions, with what is asked of it: [name, attribute, …]."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.insert(0, node.attr)
        node = node.value
    if isinstance(node, ast.Name) and node.id not in hidden:
        yield [node.id, *attributes]
    elif isinstance(node, ast.Constant) and re.fullmatch(r"[A-Z]\w+", str(node.value)):
        yield [str(node.value)]  # a type in quotes
    inside = hidden | own_names(node) if isinstance(node, Scope) else hidden
    for part, value in ast.iter_fields(node):
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, ast.AST):
                yield from mentions(each, inside if part == "body" else hidden)


def attributes_of(node: ast.AST) -> set[str]:
    """Name every attribute that a piece of code asks of anything."""
    return {each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)}


@cache
def asked_in_templates() -> set[str]:
    """Name every attribute that the templates ask of anything."""
    files = [each for folder in FOLDERS for each in (ROOT / folder).rglob("*.html")]
    texts = [each.read_text(encoding="utf-8") for each in files]
    return {name for text in texts for name in re.findall(r"\.(\w+)", text)}


def of_a_piece(module: str, node: ast.AST) -> set[Name]:
    """Say which definitions of the product a piece of code mentions."""
    local = bindings(node)
    found = {each for bound in local.values() if (each := resolve(bound[0], ""))}
    for first, *attributes in mentions(node):
        at = resolve(*local[first]) if first in local else resolve(module, first)
        while at and not at[1] and attributes:
            found.add(at)
            at = resolve(at[0], attributes.pop(0))
        if at:
            found.add(at)
        if at and not at[1]:  # a module handed on: `for each in (leads, model): each.add_to(app)`
            asked = attributes_of(node) | asked_in_templates()
            found |= {got for name in asked if (got := resolve(at[0], name))}
    return found


def registers(module: Module, node: ast.stmt) -> bool:
    """Tell a decorator that hangs a function on a constant of the module (`@app.command()`)."""
    for each in getattr(node, "decorator_list", []):
        first = next(mentions(each), [""])[0]
        if isinstance(module.defined.get(first), ast.Assign | ast.AnnAssign):
            return True
    return False


def roots() -> tuple[set[Name], list[ast.AST]]:
    """Give what a user can start: the console command, `python -m`, the model file, notebooks."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    commands = [each.split(":") for each in project["project"]["scripts"].values()]
    whole = [*LOADED_BY_MLFLOW, *(m for m in product() if m.partition(".")[0] == FACADE)]
    names: set[Name] = {(module, name) for module, name in commands}
    started = {
        m for m, each in product().items() if m.endswith(".__main__") and "main" in each.defined
    }
    names |= {(m, "main") for m in started}
    names |= {(m, each) for m in whole for each in ("", *product()[m].defined)}
    notebooks = sorted((ROOT / "notebooks" / "source").glob("*.py"))
    return names, [ast.parse(each.read_text(encoding="utf-8")) for each in notebooks]


def when_imported(name: str) -> set[Name]:
    """Give what importing a module reaches: its packages, its imports, what it registers."""
    module, parts = product()[name], name.split(".")
    packages = [".".join(parts[:i]) for i in range(1, len(parts))]
    loaded = [each[0] for bound in module.imported.values() if (each := resolve(*bound))]
    hung = {(name, n) for n, node in module.defined.items() if registers(module, node)}
    return hung | {(each, "") for each in (*packages, *loaded) if each in product()}


@cache
def reached() -> Reached:
    """Follow the names from what a user can start."""
    names, notebooks = roots()
    walk = Reached(attributes=set(asked_in_templates()))
    for notebook in notebooks:
        names |= of_a_piece("", notebook)
        walk.attributes |= attributes_of(notebook)
    while names:
        at = names.pop()
        if at in walk.names:
            continue
        walk.names.add(at)
        names |= {(at[0], "")} if at[1] else when_imported(at[0])
        module = product()[at[0]]
        for piece in [module.defined[at[1]]] if at[1] else module.runs:
            names |= of_a_piece(at[0], piece)
            walk.attributes |= attributes_of(piece)
    return walk


def is_asked_by_another_library(module: str, kind: str, method: str) -> bool:
    """Tell a method that a base class of another library has, and calls."""
    found = getattr(importlib.import_module(module), kind)
    bases = [b for b in found.__mro__ if b.__module__.partition(".")[0] not in FOLDERS]
    return any(hasattr(each, method) for each in bases)


def silent_methods(module: str, kind: ast.ClassDef) -> Iterator[ast.stmt]:
    """Yield the public methods of a class that nothing reached asks for."""
    for each in kind.body:
        if (
            isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
            and not each.name.startswith("_")
            and each.name not in reached().attributes
            and not is_asked_by_another_library(module, kind.name, each.name)
        ):
            yield each


def is_called_from_outside(module: str) -> bool:
    """Tell a module whose classes are handed to users: any public method may be called."""
    return module in LOADED_BY_MLFLOW or module.partition(".")[0] == FACADE


@cache
def unreachable() -> Mapping[str, int]:
    """Map each name of the product that no user can reach to its lines."""
    lines: dict[str, int] = {}
    for module in product().values():
        for name, node in module.defined.items():
            if name.startswith("__"):
                continue
            if (module.name, name) not in reached().names:
                lines[f"{module.name}.{name}"] = length(node)
            elif isinstance(node, ast.ClassDef) and not is_called_from_outside(module.name):
                for method in silent_methods(module.name, node):
                    [called] = targets(method)
                    lines[f"{module.name}.{name}.{called}"] = length(method)
    return lines


def length(node: ast.stmt) -> int:
    """Count the lines of a definition with its decorators."""
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
    return int(node.end_lineno or first) - first + 1


def test_every_name_of_the_product_can_be_reached_by_a_user() -> None:
    assert unreachable() == {}


def test_the_walk_finds_what_is_reached_and_what_is_not() -> None:
    walk = reached()
    assert ("serving.cli.scoring", "score") in walk.names  # a verb
    assert ("serving.worklist.charts", "looks") in walk.names  # asked for by a template alone
    assert of_a_piece("serving.score", ast.parse("FEW + few").body[0]) == {("serving.score", "FEW")}
    code = parse("some", "def f(x, y: 'Kind'):\n    return lambda z: (x, z, a.b.c, g)\n").defined[
        "f"
    ]
    assert list(mentions(code)) == [["Kind"], ["a", "b", "c"], ["g"]]
