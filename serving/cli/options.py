"""The arguments and options that verbs share, declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ProjectFile = Annotated[
    Path, typer.Argument(metavar="PROJECT", help="The project file (TOML).", show_default=False)
]
AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        help="Know what was known strictly before this moment; default: the end of observation.",
    ),
]
Accept = Annotated[
    bool,
    typer.Option(
        "--accept", help="Go on although the guard found something wrong; it is recorded."
    ),
]
Out = Annotated[Path | None, typer.Option("--out", help="Where to write.")]
Model = Annotated[
    str, typer.Option("--model", help="A version, an alias, or the folder of an artifact.")
]
Leads = Annotated[
    str | None, typer.Option("--leads", help="Another leads source of the same shape.")
]
EventFiles = Annotated[
    list[str] | None,
    typer.Option("--events", help="Other event sources of the same shape, one option each."),
]
Language = Annotated[str | None, typer.Option("--lang", help="en, it, fr, fa …")]
Languages = Annotated[
    list[str] | None, typer.Option("--lang", help="en, it, fr, fa …; give it again for another.")
]
Seed = Annotated[int | None, typer.Option("--seed", help="Another seed than the project file's.")]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="Default: all cores.")]
StateFolder = Annotated[
    Path | None,
    typer.Option("--state", help="State folder; default: .leadscore/<project name>."),
]
Memory = Annotated[
    str | None,
    typer.Option(
        "--memory", help="How much memory may be used, as 8GB; default: half of the machine's."
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster", help="Work on a Dask cluster: local, or the address of its scheduler."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Answer in JSON on standard output.")]
Tracking = Annotated[
    str | None,
    typer.Option(
        "--tracking",
        envvar="MLFLOW_TRACKING_URI",
        help="MLflow server; default: SQLite in the state folder.",
    ),
]
