"""The obvious script: pandas features at each snapshot, LightGBM, test on the newest rows.

    python -m benchmarks.large_company_peer FOLDER

What a good engineer writes in an afternoon; no calibration, no audit, no explanation.
"""

from __future__ import annotations

import sys
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd

AGES = (1, 7, 14, 30, 60)
HORIZON = pd.Timedelta(days=60)
UNTIL = pd.Timestamp("2026-05-01", tz="UTC")
WORDS = ("source", "industry", "country")


def main(folder: Path) -> None:
    leads = pd.read_parquet(folder / "leads.parquet")
    events = pd.read_parquet(folder / "events.parquet")
    rows = pd.concat([snapshots_at(leads, events, days) for days in AGES], ignore_index=True)
    rows = rows.sort_values("as_of", kind="stable").reset_index(drop=True)
    for name in WORDS:
        rows[name] = rows[name].astype("category")
    cut = int(0.8 * len(rows))
    begins = rows["as_of"].iloc[cut]
    train = rows[rows["as_of"] + HORIZON <= begins]
    test = rows[rows["as_of"] >= begins]
    test = test[~test["lead"].isin(train["lead"])]
    columns = [name for name in rows if name not in ("lead", "as_of", "y")]
    stop = train.index % 5 == 0
    model = lgb.LGBMClassifier(n_estimators=2000, learning_rate=0.05, num_leaves=31, verbose=-1)
    model.fit(
        train.loc[~stop, columns],
        train.loc[~stop, "y"],
        eval_set=[(train.loc[stop, columns], train.loc[stop, "y"])],
        callbacks=[lgb.early_stopping(50, verbose=False)],
    )
    p = np.clip(model.predict_proba(test[columns])[:, 1], 1e-12, 1 - 1e-12)
    loss = -np.mean(np.where(test["y"], np.log(p), np.log1p(-p)))
    print(f"train {len(train)} test {len(test)} log loss {loss:.5f}")


def snapshots_at(leads: pd.DataFrame, events: pd.DataFrame, days: int) -> pd.DataFrame:
    """Count what each lead had done `days` after its creation, and label the next 60 days."""
    frame = leads.assign(as_of=leads["created"] + pd.Timedelta(days=days))
    open_then = frame["converted"].isna() | (frame["converted"] >= frame["as_of"])
    frame = frame[open_then & (frame["as_of"] + HORIZON <= UNTIL)]
    known = events.merge(frame[["lead", "as_of"]], on="lead")
    known = known[known["at"] < known["as_of"]]
    known["back"] = (known["as_of"] - known["at"]).dt.total_seconds() / 86400
    parts = [frame.set_index("lead")]
    for width in (7, 30, 400):
        near = known[known["back"] <= width]
        counts = near.groupby(["lead", "type"], observed=True).size().unstack(fill_value=0)
        parts.append(counts.add_prefix(f"n_{width}d_"))
        by_channel = near.groupby(["lead", "channel"], observed=True).size().unstack(fill_value=0)
        parts.append(by_channel.add_prefix(f"n_{width}d_"))
    since = known.groupby(["lead", "type"], observed=True)["back"].min().unstack()
    parts += [since.add_prefix("since_"), known.groupby("lead")["back"].min().rename("since")]
    out = pd.concat(parts, axis=1).reset_index()
    out = out[out["as_of"].notna()]
    out["y"] = (out["converted"].notna() & (out["converted"] < out["as_of"] + HORIZON)).astype(int)
    out["age"] = days
    return out.drop(columns=["created", "converted"])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
