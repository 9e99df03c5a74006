"""A fresh process that reads a model and answers once: seconds of each step, compiled code cached.

Run as `python -m benchmarks.quality_lab_first FOLDER`, it is that process.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def first_prediction() -> dict[str, float]:
    """Fit a model of trees, and let two fresh processes answer: the second one's seconds."""
    from benchmarks.quality_lab_leads import make_set
    from models.artifact import write_artifact
    from models.fit.learner import LeadClassifier

    lab = make_set("flat_crossed")
    model = LeadClassifier(repeats=1).fit(lab.X, lab.y)
    with tempfile.TemporaryDirectory() as place:
        write_artifact(*model.parts(), Path(place) / "model")
        lab.test.head(200).to_csv(Path(place) / "rows.csv", index=False)
        call = [sys.executable, "-m", "benchmarks.quality_lab_first", place]
        runs = [subprocess.run(call, check=True, capture_output=True, text=True) for _ in "12"]
    seconds: dict[str, float] = json.loads(runs[-1].stdout)
    return seconds


def answer(folder: Path) -> dict[str, float]:
    """Read the model and score one row, then 200."""
    began = time.monotonic()
    import pandas as pd

    from models.predictor import LeadScorer

    rows = pd.read_csv(folder / "rows.csv")
    imported = time.monotonic()
    scorer = LeadScorer.load(folder / "model")
    read = time.monotonic()
    scorer.score(rows.head(1))
    first = time.monotonic()
    scorer.score(rows)
    return {
        "imports": imported - began,
        "reading": read - imported,
        "first prediction": first - read,
        "200 rows after it": time.monotonic() - first,
    }


if __name__ == "__main__":
    print(json.dumps(answer(Path(sys.argv[1]))))
