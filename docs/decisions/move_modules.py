"""Move modules to where their names are looked for, and rewrite every import of them; run once.

Usage: python move_modules.py MAP, run at the top of the checkout. MAP holds lines `old.py new.py`;
a folder may stand on both sides. Imports are found by AST and edited in place, so that nothing
else of a file changes; paths and dotted names in texts (Markdown, TOML, Makefile, docstrings) follow.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tokenize
from pathlib import Path

TEXTS = (".md", ".toml", ".cfg", ".yaml", ".yml", ".html", ".j2", ".po", ".pot", ".py", "")


def tracked() -> list[Path]:
    """List the files that git knows."""
    found = subprocess.run(["git", "ls-files"], check=True, capture_output=True, text=True)
    return [Path(line) for line in found.stdout.splitlines()]


def module_of(path: Path) -> str:
    """data/read.py -> data.read; a package is its folder."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def read_map(file: Path) -> dict[Path, Path]:
    """Read the map; a folder stands for every tracked file below it."""
    moves: dict[Path, Path] = {}
    files = tracked()
    for line in file.read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        old, new = map(Path, line.split())
        if old.is_dir():
            for path in files:
                if old in path.parents and path not in moves:
                    moves[path] = new / path.relative_to(old)
        else:
            moves[old] = new
    return {old: new for old, new in moves.items() if old != new}


def rewrite(path: Path, renamed: dict[str, str], notes: list[str]) -> None:
    """Rewrite the imports of one file."""
    source = path.read_text()
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return
    lines = source.encode().splitlines(keepends=True)
    edits: list[tuple[int, int, int, int, str]] = []
    own = module_of(path)
    package = own if path.name == "__init__.py" else own.rpartition(".")[0]
    attribute_renames: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                base = package.split(".")
                base = base[: len(base) - (node.level - 1)]
                module = ".".join([*base, *([node.module] if node.module else [])])
            if module.partition(".")[0] not in ROOTS:
                continue
            moved = [
                (n, renamed[f"{module}.{n.name}"])
                for n in node.names
                if f"{module}.{n.name}" in renamed
            ]
            new_module = renamed.get(module, module)
            if not moved and new_module == module and not node.level:
                continue
            groups: dict[str, list[str]] = {}
            for name in node.names:
                target = renamed.get(f"{module}.{name.name}")
                if target is None:
                    text = name.name + (f" as {name.asname}" if name.asname else "")
                    groups.setdefault(new_module, []).append(text)
                else:
                    parent, _, leaf = target.rpartition(".")
                    if name.asname:
                        text = leaf if leaf == name.asname else f"{leaf} as {name.asname}"
                    elif leaf != name.name:
                        if bound_elsewhere(tree, name.name, leaf):
                            text = f"{leaf} as {name.name}"
                            notes.append(f"{path}:{node.lineno}: {text}")
                        else:
                            text = leaf
                            attribute_renames[name.name] = leaf
                    else:
                        text = leaf
                    groups.setdefault(parent, []).append(text)
            indent = " " * node.col_offset
            out = f"\n{indent}".join(
                f"from {m} import ({', '.join(names)})"
                if len(names) > 3
                else f"from {m} import {', '.join(names)}"
                for m, names in groups.items()
            )
            edits.append((node.lineno, node.col_offset, node.end_lineno, node.end_col_offset, out))
        elif isinstance(node, ast.Import):
            for name in node.names:
                if name.name in renamed:
                    text = renamed[name.name] + (f" as {name.asname}" if name.asname else "")
                    edits.append(
                        (name.lineno, name.col_offset, name.end_lineno, name.end_col_offset, text)
                    )
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in attribute_renames:
            edits.append(
                (
                    node.lineno,
                    node.col_offset,
                    node.end_lineno,
                    node.end_col_offset,
                    attribute_renames[node.id],
                )
            )
    for l1, c1, l2, c2, text in sorted(edits, reverse=True):
        head, tail = lines[l1 - 1][:c1], lines[l2 - 1][c2:]
        lines[l1 - 1 : l2] = [head + text.encode() + tail]
    if edits:
        path.write_bytes(b"".join(lines))


def bound_elsewhere(tree: ast.Module, old: str, new: str) -> bool:
    """Tell whether renaming the imported module `old` to `new` could meet another binding."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
            if node.id in (old, new):
                return True
        elif (
            (isinstance(node, ast.Name) and node.id == new)
            or (isinstance(node, ast.arg) and node.arg in (old, new))
            or (isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name in (old, new))
        ):
            return True
        elif isinstance(node, ast.alias):
            if (node.asname or node.name) == new:
                return True
    return False


def main() -> None:
    """Move, then rewrite."""
    moves = read_map(Path(sys.argv[1]))
    for old, new in sorted(moves.items()):
        new.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["git", "mv", "-k", str(old), str(new)], check=True)
        if not new.exists():
            sys.exit(f"{old} was not moved")
    renamed = {module_of(a): module_of(b) for a, b in moves.items() if a.suffix == ".py"}
    renamed = {a: b for a, b in renamed.items() if a != b}
    paths = {a.as_posix(): b.as_posix() for a, b in moves.items()}
    notes: list[str] = []
    for path in tracked():
        if not path.is_file() or path.is_symlink() or "fixtures" in path.parts:
            continue
        if path.suffix == ".py":
            rewrite(path, renamed, notes)
        if path.suffix in TEXTS and path.name not in ("requirements.lock",):
            texts(path, renamed, paths)
    print("\n".join(notes))


def texts(path: Path, renamed: dict[str, str], paths: dict[str, str]) -> None:
    """Follow paths and dotted names of moved modules in texts; in Python only in strings, comments."""
    try:
        before = path.read_text()
    except UnicodeDecodeError:
        return

    def follow(text: str) -> str:
        text = re.sub(
            r"(?<![\w./-])([a-z_0-9]+(?:/[a-z_0-9]+)+\.(?:py|html|css|js|po|pot))\b",
            lambda m: paths.get(m[1], m[1]),
            text,
        )
        return re.sub(
            r"(?<![\w./-])([a-z_]+(?:\.[a-z_]+)+)\b", lambda m: renamed.get(m[1], m[1]), text
        )

    if path.suffix != ".py":
        after = follow(before)
    else:
        lines = before.splitlines(keepends=True)
        kinds = {tokenize.STRING, tokenize.COMMENT, getattr(tokenize, "FSTRING_MIDDLE", -1)}
        with path.open("rb") as file:
            tokens = [t for t in tokenize.tokenize(file.readline) if t.type in kinds]
        for token in reversed(tokens):
            (l1, c1), (l2, c2) = token.start, token.end
            piece = "".join(
                [lines[l1 - 1][c1:c2]]
                if l1 == l2
                else [lines[l1 - 1][c1:], *lines[l1 : l2 - 1], lines[l2 - 1][:c2]]
            )
            new = follow(piece)
            if new != piece:
                lines[l1 - 1 : l2] = [lines[l1 - 1][:c1] + new + lines[l2 - 1][c2:]]
        after = "".join(lines)
    if after != before:
        path.write_text(after)


ROOTS = ("data", "features", "models", "training", "serving", "tests", "benchmarks", "leadscore")
if __name__ == "__main__":
    main()
