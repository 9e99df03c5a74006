"""Write one world into a folder: python -m data.world software_trial --leads 3000 --out DIR."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from data.errors import LeadScoreError
from data.world import make_world, project_file, write_world
from data.world.kinds import KINDS


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, write the tables and the example project file beside them."""
    parser = argparse.ArgumentParser(prog="python -m data.world", description=__doc__)
    parser.add_argument("kind", choices=sorted(KINDS))
    parser.add_argument("--leads", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--months", type=int, default=12)
    parser.add_argument("--drift", type=float, default=0.0)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--project", type=Path, help="project file to copy beside the tables")
    given = parser.parse_args(arguments)
    project = given.project or project_file(given.kind)
    try:
        world = make_world(
            given.kind, given.leads, given.seed, months=given.months, drift=given.drift
        )
        write_world(world, given.out, project=project)
    except LeadScoreError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    rows = ", ".join(f"{len(frame)} {name}" for name, frame in world.frames.items())
    sys.stdout.write(f"{given.out}: {rows}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
