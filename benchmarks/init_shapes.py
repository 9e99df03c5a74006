"""`python -m benchmarks.init_shapes [--full]`: what `leadscore init` makes of forty exports.

Each shape is a seeded generator with known truth (tests/fakes/shapes_*.py), 22 of them with the
column names of a vendor. Without --full nothing is trained.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.fakes.shapes_score import FURTHER, SHAPES, ShapeScore, score_shape


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--full", action="store_true", help="train on every shape")
    parser.add_argument("--further", action="store_true", help="the shapes written afterwards")
    parser.add_argument("--only", default="", help="a part of a shape's name")
    asked = parser.parse_args()
    began = time.perf_counter()
    scores = []
    print(f"{'shape':<42} file id  made tabl outc train  words")
    with tempfile.TemporaryDirectory() as folder:
        for make in FURTHER if asked.further else SHAPES:
            if asked.only in make.__name__:
                where = Path(folder, make.__name__)
                scores.append(score_shape(make, where, with_training=asked.full))
                show(scores[-1])
    print(f"{time.perf_counter() - began:.0f} s")
    return 0 if all(bars(scores, trained=asked.full)) else 1


def show(score: ShapeScore) -> None:
    """Print one line, and what went wrong below it."""
    marks = (score.wrote, score.id, score.created, score.tables, score.outcome, score.trained)
    cells = " ".join(f"{'-' if mark is None else 'yes' if mark else 'NO':<4}" for mark in marks)
    print(f"{score.shape:<42} {cells}  {'; '.join(score.untrue)}", flush=True)
    if score.trouble:
        print(f"    {score.trouble[:150]}")


def bars(scores: list[ShapeScore], *, trained: bool) -> list[bool]:
    """Print the bars, and say which are met."""
    n = len(scores)
    figures = [
        ("init writes a file", sum(s.wrote for s in scores), n),
        ("right outcome, id, creation and tables", sum(s.right for s in scores), round(0.9 * n)),
        ("shapes without an untrue message", sum(not s.untrue for s in scores), n),
    ]
    if trained:
        figures.insert(
            2, ("train runs once CHOOSE is answered", sum(s.trained is True for s in scores), n)
        )
    met = []
    for name, figure, bar in figures:
        met.append(figure >= bar)
        print(f"{'met' if met[-1] else 'missed':<7} {name:<42} {figure:>4} of {n}   bar {bar}")
    return met


if __name__ == "__main__":
    sys.exit(main())
