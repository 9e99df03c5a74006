"""What a command takes: seconds of the processor, and memory at its peak."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

ROOT: Final = Path(__file__).parents[1]
COMMAND: Final = (sys.executable, "-c", "from leadscore import main; main()")
POLL_S: Final = 0.02


@dataclass(frozen=True, slots=True, order=True)
class ProcessCost:
    """CPU seconds, bytes at the peak (of the process and its children together), wall seconds."""

    cpu_s: float
    peak: float
    wall_s: float


def measured(command: Sequence[str], ends: tuple[int, ...] = (0,)) -> ProcessCost:
    """Run a command to its end; RuntimeError where it ends with a code that is not in `ends`.

    The peak is polled: the system's own `ru_maxrss` begins with the memory of the process that
    starts the command, which may be larger. An installation has its bytecode: what keeps Python
    from writing it is left out.
    """
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    began, peak = time.monotonic(), 0.0
    with tempfile.TemporaryFile() as said:
        started = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=said, cwd=ROOT, env=environment
        )
        process = psutil.Process(started.pid)
        while not (ended := os.wait4(started.pid, os.WNOHANG))[0]:
            try:
                family = [process, *process.children(recursive=True)]
                peak = max(peak, float(sum(each.memory_info().rss for each in family)))
            except psutil.Error:
                pass
            time.sleep(POLL_S)
        started.returncode = os.waitstatus_to_exitcode(ended[1])  # nobody else can ask for it now
        if started.returncode not in ends:
            said.seek(0)
            words = said.read().decode(errors="replace")[-2000:]
            raise RuntimeError(f"{command} ended with {started.returncode}: {words}")
    return ProcessCost(ended[2].ru_utime + ended[2].ru_stime, peak, time.monotonic() - began)
