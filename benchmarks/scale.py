"""Any size, part by part: `python -m benchmarks.scale [PART …] [--full]`."""

from __future__ import annotations

import sys

from benchmarks.in_parts import run_parts

if __name__ == "__main__":
    sys.exit(run_parts("scale", __doc__))
