"""Workers killed while they score: `python -m benchmarks.scale kills [--full]`."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator

import psutil

from benchmarks.in_parts import Verdict
from benchmarks.repeated_company import trained_company
from serving.parts.run_parts import PartsPlan


def measure(*, full: bool) -> Iterator[Verdict]:
    """Kill workers while they score: nothing is lost and nothing is there twice."""
    times, wanted, workers, of = (10, 200, 4, 64) if full else (2, 5, 2, 16)
    killed = equal = runs = 0
    with trained_company() as company:
        file = company.enlarge("repeated", times)
        whole = company.scored(file, PartsPlan(1))
        while killed < wanted:
            kill = Kill(min(wanted - killed, 10), of // 11, runs)
            equal += company.scored(file, PartsPlan(of, workers, "local"), kill) == whole
            runs, killed = runs + 1, killed + kill.killed
            print(f"  {killed} kills, {equal} of {runs} runs equal", flush=True)
            if not kill.killed:
                break
    said = f"{equal} of {runs} runs equal"
    yield killed >= wanted and equal == runs, f"{killed} kills of workers", said, "0 lost, 0 twice"


class Kill:
    """Kills a worker of the local cluster after every so many parts, until enough were killed.

    Kills are spread over the run: one part that its worker dies with four times stops it.
    """

    def __init__(self, wanted: int, every: int, seed: int) -> None:
        """Draw with a seed."""
        self.wanted, self.every, self.killed = wanted, every, 0
        self._draw = random.Random(seed)

    def __call__(self, done: int) -> None:
        """Kill one worker at a random moment after this part."""
        if done % self.every:
            return
        workers = [each for each in psutil.Process().children(recursive=True) if _works(each)]
        if workers and self.killed < self.wanted:
            time.sleep(self._draw.random())
            chosen = self._draw.choice(workers)
            if chosen.is_running():
                os.kill(chosen.pid, signal.SIGKILL)
                self.killed += 1


def _works(process: psutil.Process) -> bool:
    """Tell whether a process is a worker of the cluster, and not one that was just killed."""
    try:
        is_worker = any("spawn_main" in word for word in process.cmdline())
        return is_worker and not process.children()
    except psutil.Error:
        return False
