"""The loops that must close, part by part: `python -m benchmarks.loops [PART …] [--full]`."""

from __future__ import annotations

import sys

from benchmarks.in_parts import run_parts

if __name__ == "__main__":
    sys.exit(run_parts("loops", __doc__))
