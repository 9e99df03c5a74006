"""The five folders of the checkout -> one package `leadscore` in the wheel.

In the checkout `data`, `features`, `models`, `training` and `serving` lie at the top, where they
are easy to find. Installed like that, they would take those five common names in everybody's
environment. So the wheel holds them below `leadscore`, and every absolute import of one of them is
rewritten: `from data.tables import Events` becomes `from leadscore.data.tables import Events`.
"""

from __future__ import annotations

import ast
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE: Final = "leadscore"
FOLDERS: Final = ("data", "features", "models", "training", "serving")
LEFT_OUT: Final = shutil.ignore_patterns("__pycache__", "*.pyc", "*.nbi", "*.nbc")


class Edit(NamedTuple):
    """Insert `leadscore.` at a place of a source: `line` from 1, `column` in UTF-8 bytes."""

    line: int
    column: int


def rewrite(source: str, *, file: str = "<source>") -> str:
    """Point absolute imports of the five folders into the package; all else stays as it is.

    SyntaxError for `import data.tables` without a new name, whose use could not be rewritten.

    >>> rewrite("from data.tables import Events  # columns")
    'from leadscore.data.tables import Events  # columns'
    >>> rewrite("import models.predictor as predictor, json")
    'import leadscore.models.predictor as predictor, json'
    """
    lines = source.encode().splitlines(keepends=True)
    for edit in sorted(_edits(ast.parse(source, file), lines, file), reverse=True):
        line = lines[edit.line - 1]
        lines[edit.line - 1] = line[: edit.column] + f"{PACKAGE}.".encode() + line[edit.column :]
    return b"".join(lines).decode()


def _edits(tree: ast.Module, lines: list[bytes], file: str) -> Iterator[Edit]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and _is_ours(node.module):
            line = lines[node.lineno - 1]
            start = node.col_offset + len(b"from")
            yield Edit(node.lineno, line.index(str(node.module).encode(), start))
        elif isinstance(node, ast.Import):
            for name in node.names:
                if _is_ours(name.name):
                    if name.asname is None:
                        raise SyntaxError(
                            f"{file}:{name.lineno}: write `from … import …` or `import … as …`; "
                            f"`import {name.name}` cannot be moved below {PACKAGE}"
                        )
                    yield Edit(name.lineno, name.col_offset)


def _is_ours(module: str | None) -> bool:
    return module is not None and module.partition(".")[0] in FOLDERS


def lay_out(root: Path, target: Path) -> None:
    """Copy the facade and the five folders of `root` to `target`, imports rewritten."""
    shutil.copytree(root / PACKAGE, target, ignore=LEFT_OUT)
    for folder in FOLDERS:
        shutil.copytree(root / folder, target / folder, ignore=LEFT_OUT)
    for path in sorted(target.rglob("*.py")):
        text = path.read_bytes().decode()
        path.write_bytes(rewrite(text, file=str(path.relative_to(target))).encode())


class OnePackage(BuildHookInterface[Any]):
    """Hatchling's hook: an ordinary wheel gets the package laid out; an editable one does not."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Lay the package out in a temporary folder and have the wheel take it from there."""
        if version == "editable":
            return
        self._folder = tempfile.TemporaryDirectory()
        target = Path(self._folder.name) / PACKAGE
        lay_out(Path(self.root), target)
        build_data["force_include"][str(target)] = PACKAGE

    def finalize(
        self,
        version: str,
        build_data: dict[str, Any],  # noqa: ARG002  # hatchling's signature
        artifact_path: str,  # noqa: ARG002
    ) -> None:
        """Remove the temporary folder."""
        if version != "editable":
            self._folder.cleanup()
