"""Write the generated files of the documentation, or check them: `--write`, `--check`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tests.reference import commands, http_api, project_keys
from tests.reference.tables import replace_between

ROOT: Final = Path(__file__).resolve().parents[2]
WHOLE: Final[Mapping[str, Callable[[], str]]] = {
    "data/project.schema.json": project_keys.schema_text,
    "docs/reference/openapi.json": http_api.openapi_text,
}
"""Files that are generated from the first byte to the last."""
BETWEEN: Final[Mapping[str, Callable[[], str]]] = {
    "docs/reference/commands.md": commands.page,
    "docs/reference/project-file.md": project_keys.page,
    "docs/reference/http.md": http_api.page,
}
"""Pages of which the part between two marker lines is generated."""


def generated() -> dict[Path, str]:
    """Map every file to the text that it should have."""
    files = {ROOT / name: text() for name, text in WHOLE.items()}
    for name, text in BETWEEN.items():
        old = (ROOT / name).read_text(encoding="utf-8")
        files[ROOT / name] = replace_between(old, text())
    return files


def main(arguments: list[str]) -> int:
    """Write what changed, or name what is stale."""
    texts = generated()
    stale = [p for p, text in texts.items() if not p.is_file() or p.read_text("utf-8") != text]
    if arguments == ["--write"]:
        for path in stale:
            path.write_text(texts[path], encoding="utf-8")
        return 0
    for path in stale:
        print(f"{path.relative_to(ROOT)} is stale: run `make reference`", file=sys.stderr)  # noqa: T201
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
