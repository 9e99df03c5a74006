"""The product as its users meet it: the console command, and the view behind its report.

The only module of these tests that imports the product. Two places: the command, and the name
under which `leadscore report` makes its view (the view itself is written to no file).
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving import write_reports
from serving.cli.app import main


@dataclass(frozen=True, slots=True)
class Run:
    """What one verb answered: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


def leadscore(
    *arguments: object,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    typed: str = "",
) -> Run:
    """Run `leadscore …` in this process, exactly as the console script does.

    `cwd` is the folder that it runs in, `env` is added to its environment, `typed` is its standard
    input.
    """
    out, err, before, code = io.StringIO(), io.StringIO(), (sys.argv, sys.stdin), 0
    environment = dict(os.environ)
    os.environ.update(env or {})
    sys.argv, sys.stdin = ["leadscore", *map(str, arguments)], io.StringIO(typed)
    try:
        with chdir(cwd or Path.cwd()), redirect_stdout(out), redirect_stderr(err):
            main()
    except SystemExit as stopped:
        code = stopped.code if isinstance(stopped.code, int) else int(stopped.code is not None)
    finally:
        sys.argv, sys.stdin = before
        os.environ.clear()
        os.environ.update(environment)
    return Run(code, out.getvalue(), err.getvalue())


@contextmanager
def views_kept() -> Iterator[list[dict[str, Any]]]:
    """Keep the data of every report that is made in the block, page by page."""
    kept: list[dict[str, Any]] = []
    make = write_reports.make_view

    def make_and_keep(*arguments: Any, **options: Any) -> Any:
        view = make(*arguments, **options)
        kept.append(view.to_dict())
        return view

    write_reports.make_view = make_and_keep
    try:
        yield kept
    finally:
        write_reports.make_view = make
