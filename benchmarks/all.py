"""Run every benchmark and gather its bars: `python -m benchmarks.all [--full]`."""

from __future__ import annotations

import subprocess
import sys
import time

NAMES = (
    "leaks",
    "noise",
    "features",
    "quality",
    "shap",
    "faults",
    "writeback",
    "forecast",
    "experiment",
    "report",
    "worklist",
    "http",
    "loops",
    "init_shapes",
    "attack",
    "scale",
)


def main() -> int:
    """Run them one after the other, show each one's output, then all bars together."""
    bars: list[str] = []
    failed = 0
    for name in NAMES:
        print(f"\n===== benchmarks.{name} =====", flush=True)
        started = time.monotonic()
        run = subprocess.Popen(
            [sys.executable, "-m", f"benchmarks.{name}", *sys.argv[1:]],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert run.stdout is not None
        for line in run.stdout:
            print(line, end="", flush=True)
            if line.startswith(("met ", "missed ")):
                bars.append(f"{line.rstrip()}    [{name}]")
        code = run.wait()
        failed += code != 0
        print(f"({name}: exit {code}, {time.monotonic() - started:.0f} s)", flush=True)
    print("\n===== all bars =====")
    print("\n".join(bars))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
