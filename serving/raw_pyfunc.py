"""Models-from-code file for MLflow: raw leads and events in, whole answers out.

Unlike `models/pyfunc_model.py`, which carries its own predictor, it needs leadscore installed
where it is loaded: reading, features and rules are those of the package.
"""

from __future__ import annotations

from typing import Any

import mlflow

from serving.raw_scorer import RawScorer


class RawLeadModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
    """A frame of leads, or a frame for each table, in; a row for each lead out."""

    def load_context(self, context: Any) -> None:
        """Load what `leadscore export` wrote."""
        self.scorer = RawScorer.load(context.artifacts["raw"])

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """Score leads as of `params["as_of"]`; left out, as of the end of what was given."""
        del context  # and no type hints: MLflow would refuse a frame for each table
        return self.scorer.score(model_input, as_of=(params or {}).get("as_of") or None)


mlflow.models.set_model(RawLeadModel())
