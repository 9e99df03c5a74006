"""Models-from-code file for MLflow: loads the predictor that lies in the artifact, nothing else.

It imports third-party packages only. Each load gets a module of its own, so that two versions
answer as themselves and a host's own `models` package is left alone. The predictor's source is
executed only after its sha256 has been compared with the manifest.
"""

from __future__ import annotations

import hashlib
import json
import sys
import types
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd


def load_scorer(folder: str | Path) -> Any:
    """Execute the artifact's own predictor in a new module and load the artifact with it."""
    root = Path(folder)
    source = (root / "predictor.py").read_bytes()
    digest = hashlib.sha256(source).hexdigest()
    manifest = json.loads((root / "manifest.json").read_bytes())
    if manifest["files"].get("predictor.py") != digest:
        raise ValueError("predictor.py: does not match the sha256 in manifest.json")
    name = f"leadscore_predictor_{digest[:16]}"
    module = sys.modules.get(name)
    if module is None:
        module = types.ModuleType(name)
        module.__file__ = str(root / "predictor.py")
        sys.modules[name] = module  # dataclasses look their module up
        try:
            exec(compile(source, module.__file__, "exec"), module.__dict__)
        except BaseException:
            del sys.modules[name]
            raise
    return module.LeadScorer.load(root)


class LeadScoreModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
    """Feature frame in; margin, probability with interval, score and band out, one row per lead."""

    def load_context(self, context: Any) -> None:
        """Load the artifact folder that MLflow unpacked."""
        self.scorer = load_scorer(context.artifacts["model"])

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Score a feature frame."""
        del context, params
        scores = self.scorer.score(model_input)
        columns = ("margin", "probability", "low", "high", "score_exact", "score", "band")
        return pd.DataFrame({c: getattr(scores, c) for c in columns}, index=model_input.index)


mlflow.models.set_model(LeadScoreModel())
