"""The worklist: load, rest line, row scope, size and opening, memory, reads while a night writes.

`python -m benchmarks.worklist [PART …] [--full]`
"""

from __future__ import annotations

import os
import sys

from benchmarks.in_parts import run_parts

if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(run_parts("worklist", __doc__))
