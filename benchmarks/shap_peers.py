"""One peer's contributions in the peers' environment: python shap_peers.py PEER MODEL ROWS OUT.

Run as a file, so that it imports nothing of leadscore. Prints one JSON line: CPU seconds (all
threads), or why the peer did not run; the values go to OUT as a .npy file.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np


def explain(peer: str, model: str, rows: np.ndarray) -> tuple[np.ndarray, float]:
    import lightgbm

    booster = lightgbm.Booster(model_file=model)
    if peer == "shap":
        import shap

        explainer = shap.TreeExplainer(booster, feature_perturbation="tree_path_dependent")
    elif peer == "fasttreeshap":
        import fasttreeshap

        explainer = fasttreeshap.TreeExplainer(booster, algorithm="auto", n_jobs=1)
    else:
        import pandas as pd
        import woodelf

        rows = pd.DataFrame(rows, columns=booster.feature_name())
        explainer = woodelf.WoodelfExplainer(booster, None)
    start = time.process_time()
    values = explainer.shap_values(rows)
    spent = time.process_time() - start
    values = np.asarray(values[-1] if isinstance(values, list) else values, dtype=np.float64)
    return values, spent


def main() -> None:
    peer, model, rows, out = sys.argv[1:]
    try:
        values, spent = explain(peer, model, np.load(rows))
        np.save(out, values)
        print(json.dumps({"cpu_s": spent}))
    except Exception as error:  # whatever a peer raises is its answer
        print(json.dumps({"why": f"{type(error).__name__}: {str(error)[:90]}"}))


if __name__ == "__main__":
    main()
