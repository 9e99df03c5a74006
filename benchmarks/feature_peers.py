# ruff: noqa: ARG001, RUF007
"""The reference matrix built by others: DuckDB, Polars, pandas; and plain scans of its columns.

Run as a script by any Python that has the library: it imports nothing of ours.
`python feature_peers.py NAME FOLDER CHUNKS THREADS` prints one JSON line.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

DAY = 86_400_000_000  # microseconds; the peers' environments hold nothing of ours
TYPES, CHANNELS, WINDOWS, AGES = 12, 6, (7, 30, 90), (15, 30, 60, 90)
COUNTS = [f"n_{k}_{w}" for k in range(TYPES) for w in (*WINDOWS, "ever")]
SINCE = [f"since_{k}" for k in range(TYPES)]
OTHERS = [
    "active_28",
    "trend",
    "value_sum_90",
    "value_max",
    "mean_gap",
    "since_last",
    "first_event",
    "last_event",
]
NAMES = [*COUNTS, *SINCE, *OTHERS]
ZERO = {*COUNTS, "active_28", "value_sum_90"}  # 0 where there are no events
REPEATS = 3  # of scans and of the kernel; the least CPU counts
SAMPLE = 20_000  # leads whose rows are compared


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def ranges(folder: Path, chunks: int) -> list[tuple[int, int]]:
    n = json.loads((folder / "world.json").read_text())["leads"]
    cuts = [n * i // chunks for i in range(chunks + 1)]
    return list(zip(cuts, cuts[1:], strict=False))


def con(threads: int):
    import duckdb

    link = duckdb.connect()
    link.execute(f"set threads = {threads}")
    return link


def scan_duckdb(folder, chunks, threads):
    return con(threads).sql(f"select * from '{folder}/events.parquet'").to_arrow_table()


def scan_pyarrow(folder, chunks, threads):
    import pyarrow.parquet as pq

    return pq.read_table(folder / "events.parquet", use_threads=threads > 1)


def snapshots_sql(folder, lo, hi):
    return (
        f"(select lead, a as age, created + a::bigint * {DAY} as as_of from "
        f"'{folder}/leads.parquet', unnest({list(AGES)}) t(a) where lead >= {lo} and lead < {hi})"
    )


def window(days):
    return f"happened >= as_of - {days * DAY}"


def duckdb_filter(folder, chunks, threads):
    link, parts = con(threads), []
    picks = []
    for k in range(TYPES):
        picks += [f"count(*) filter (type = {k} and {window(w)})" for w in WINDOWS]
        picks += [f"count(*) filter (type = {k})"]
    picks += [f"(as_of - max(happened) filter (type = {k})) / {DAY}.0" for k in range(TYPES)]
    picks += [
        f"coalesce(bit_count(bit_or(1::bigint << least(as_of // {DAY} - happened // {DAY}, 60)) "
        f"filter ({window(28)})), 0)",
        f"4.0 * count(*) filter ({window(7)}) / nullif(count(*) filter ({window(28)}), 0)",
        f"coalesce(sum(value::double) filter ({window(90)}), 0)",
        "max(value)",
        f"(max(happened) - min(happened)) / {DAY}.0 / nullif(count(happened) - 1, 0)",
        f"(as_of - max(happened)) / {DAY}.0",
        "arg_min(type, happened)",
        "arg_max(type, happened)",
    ]
    text = ", ".join(f"({p})::float as {n}" for p, n in zip(picks, NAMES, strict=True))
    for lo, hi in ranges(folder, chunks):
        parts.append(
            link.sql(
                f"select s.lead, s.age, {text} from {snapshots_sql(folder, lo, hi)} s "
                f"left join (select * from '{folder}/events.parquet' where lead >= {lo} and "
                f"lead < {hi}) e on e.lead = s.lead and e.happened < s.as_of "
                "group by s.lead, s.age, s.as_of"
            ).to_arrow_table()
        )
    return parts


def duckdb_two_stage(folder, chunks, threads):
    link, parts = con(threads), []
    counts = "".join(f", count(*) filter ({window(w)}) as c{w}" for w in (*WINDOWS, 28))
    picks = []
    for k in range(TYPES):
        picks += [f"coalesce(sum(c{w}) filter (type = {k}), 0)" for w in (*WINDOWS, "ever")]
    picks += [f"(as_of - max(last) filter (type = {k})) / {DAY}.0" for k in range(TYPES)]
    picks += [
        "coalesce(bit_count(bit_or(days)), 0)",
        "4.0 * sum(c7) / nullif(sum(c28), 0)",
        "coalesce(sum(amount), 0)",
        "max(largest)",
        f"(max(last) - min(first)) / {DAY}.0 / nullif(sum(cever) - 1, 0)",
        f"(as_of - max(last)) / {DAY}.0",
        "arg_min(type, first)",
        "arg_max(type, last)",
    ]
    text = ", ".join(f"({p})::float as {n}" for p, n in zip(picks, NAMES, strict=True))
    filled = ", ".join(f"coalesce({n}, 0::float) as {n}" if n in ZERO else n for n in NAMES)
    for lo, hi in ranges(folder, chunks):
        parts.append(
            link.sql(
                f"with s as {snapshots_sql(folder, lo, hi)}, one as (select s.lead, age, as_of, "
                f"type{counts}, count(*) as cever, max(happened) as last, min(happened) as first, "
                f"bit_or(1::bigint << least(as_of // {DAY} - happened // {DAY}, 60)) "
                f"filter ({window(28)}) as days, "
                f"sum(value::double) filter ({window(90)}) as amount, max(value) as largest "
                f"from s join (select * from '{folder}/events.parquet' where lead >= {lo} "
                f"and lead < {hi}) e on e.lead = s.lead and e.happened < s.as_of "
                "group by s.lead, age, as_of, type), "
                f"two as (select lead, age, {text} from one group by lead, age, as_of) "
                f"select s.lead, s.age, {filled} from s left join two using (lead, age)"
            ).to_arrow_table()
        )
    return parts


def polars_streaming(folder, chunks, threads):
    import polars as pl

    happened, as_of = pl.col("happened"), pl.col("as_of")
    picks = []
    for k in range(TYPES):
        this = pl.col("type") == k
        picks += [(this & (happened >= as_of - w * DAY)).sum() for w in WINDOWS] + [this.sum()]
    picks += [
        (as_of.first() - happened.filter(pl.col("type") == k).max()) / DAY for k in range(TYPES)
    ]
    picks += [
        (happened // DAY).filter(happened >= as_of - 28 * DAY).n_unique(),
        4 * (happened >= as_of - 7 * DAY).sum() / (happened >= as_of - 28 * DAY).sum(),
        pl.col("value").cast(pl.Float64).filter(happened >= as_of - 90 * DAY).sum(),
        pl.col("value").max(),
        (happened.max() - happened.min()) / DAY / (pl.len() - 1),
        (as_of.first() - happened.max()) / DAY,
        pl.col("type").sort_by("happened").first(),
        pl.col("type").sort_by("happened").last(),
    ]
    named = [p.cast(pl.Float32).alias(n) for p, n in zip(picks, NAMES, strict=True)]
    parts = []
    for lo, hi in ranges(folder, chunks):
        leads = pl.scan_parquet(folder / "leads.parquet").filter(
            pl.col("lead").is_between(lo, hi - 1)
        )
        ages = pl.LazyFrame({"age": AGES}, schema={"age": pl.Int64})
        snaps = leads.join(ages, how="cross").with_columns(
            (pl.col("created") + pl.col("age") * DAY).alias("as_of")
        )
        events = pl.scan_parquet(folder / "events.parquet").filter(
            pl.col("lead").is_between(lo, hi - 1)
        )
        made = (
            events.join(snaps.select("lead", "age", "as_of"), on="lead")
            .filter(happened < as_of)
            .group_by("lead", "age")
            .agg(named)
        )
        whole = snaps.select("lead", "age").join(made, on=["lead", "age"], how="left")
        parts.append(
            whole.with_columns(pl.col(sorted(ZERO)).fill_null(0)).collect(engine="streaming")
        )
    return parts


def pandas_idiomatic(folder, chunks, threads):
    import numpy as np
    import pandas as pd

    parts = []
    for lo, hi in ranges(folder, chunks):
        where = [("lead", ">=", lo), ("lead", "<", hi)]
        events = pd.read_parquet(folder / "events.parquet", filters=where)
        leads = pd.read_parquet(folder / "leads.parquet", filters=where)
        snaps = leads.merge(pd.DataFrame({"age": AGES}), how="cross")
        snaps["as_of"] = snaps["created"] + snaps["age"] * DAY
        snaps["row"] = np.arange(len(snaps))
        merged = events.merge(snaps[["lead", "row", "as_of"]], on="lead")
        merged = merged[merged["happened"] < merged["as_of"]]
        back = merged["as_of"] - merged["happened"]
        rows, columns = snaps["row"], {}
        for w in (*WINDOWS, "ever"):
            inside = merged if w == "ever" else merged[back <= w * DAY]
            table = inside.groupby(["row", "type"]).size().unstack(fill_value=0)
            table = table.reindex(index=rows, columns=range(TYPES), fill_value=0)
            columns |= {f"n_{k}_{w}": table[k].to_numpy() for k in range(TYPES)}
        last = merged.groupby(["row", "type"])["happened"].max().unstack()
        last = last.reindex(index=rows, columns=range(TYPES))
        as_of = snaps["as_of"].to_numpy()
        columns |= {f"since_{k}": (as_of - last[k].to_numpy()) / DAY for k in range(TYPES)}
        month = merged[back <= 28 * DAY]
        days = (month["happened"] // DAY).groupby(month["row"]).nunique()
        group = merged.sort_values(["row", "happened"]).groupby("row")
        first, final, size = group["happened"].min(), group["happened"].max(), group.size()
        n7 = (back <= 7 * DAY).groupby(merged["row"]).sum()
        n28 = (back <= 28 * DAY).groupby(merged["row"]).sum()
        others = pd.DataFrame(
            {
                "trend": 4 * n7 / n28,
                "value_max": group["value"].max(),
                "mean_gap": (final - first) / DAY / (size - 1).where(size > 1),
                "first_event": group["type"].first(),
                "last_event": group["type"].last(),
                "since_last": final,
            }
        ).reindex(rows)
        others["since_last"] = (as_of - others["since_last"].to_numpy()) / DAY
        others["active_28"] = days.reindex(rows, fill_value=0)
        amount = (
            merged["value"].astype("float64").where(back <= 90 * DAY).groupby(merged["row"]).sum()
        )
        others["value_sum_90"] = amount.reindex(rows, fill_value=0)
        columns |= {name: others[name].to_numpy() for name in OTHERS}
        frame = pd.DataFrame({name: columns[name].astype("float32") for name in NAMES})
        frame.insert(0, "lead", snaps["lead"])
        frame.insert(1, "age", snaps["age"])
        parts.append(frame)
    return parts


def featuretools_subset(folder, chunks, threads):
    """Build the nearest that Featuretools has (counts by type, ever) for a few leads."""
    import featuretools as ft
    import pandas as pd

    leads = pd.read_parquet(folder / "leads.parquet", filters=[("lead", "<", 25)])
    events = pd.read_parquet(folder / "events.parquet", filters=[("lead", "<", 25)])
    events["id"] = range(len(events))
    events["happened"] = pd.to_datetime(events["happened"], unit="us")
    events["type"] = events["type"].astype("category")
    leads["created"] = pd.to_datetime(leads["created"], unit="us")
    leads.ww.init(name="leads", index="lead", time_index="created")
    events.ww.init(name="events", index="id", time_index="happened")
    entities = ft.EntitySet("crm")
    entities.add_dataframe(leads)
    entities.add_dataframe(events)
    entities.add_relationship("leads", "lead", "events", "lead")
    entities.add_interesting_values(dataframe_name="events", values={"type": list(range(TYPES))})
    cutoffs = leads.merge(pd.DataFrame({"age": AGES}), how="cross")
    cutoffs["time"] = cutoffs["created"] + pd.to_timedelta(cutoffs["age"], unit="D")
    made, _ = ft.dfs(
        entityset=entities,
        target_dataframe_name="leads",
        cutoff_time=cutoffs[["lead", "time"]],
        agg_primitives=["count", "max", "time_since_last"],
        where_primitives=["count", "time_since_last"],
        trans_primitives=[],
        n_jobs=1,
    )
    return [made]


def to_frame(part):
    return part.to_pandas() if hasattr(part, "to_pandas") else part


def peak_gb() -> float:
    """GB held by this process at its peak; `ru_maxrss` begins with what its parent held."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1e6


def main() -> None:
    name, folder, chunks, threads = sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:5])
    build = globals()[name]
    if name.startswith("polars"):
        import polars  # noqa: F401
    elif name.startswith("pandas"):
        pass
    elif name.startswith("featuretools"):
        import featuretools  # noqa: F401
    else:
        import duckdb  # noqa: F401
        import pyarrow.parquet  # noqa: F401
    best, parts = (float("inf"), 0.0), None
    for _ in range(REPEATS if name.startswith("scan") else 1):
        del parts
        used, started = cpu(), time.perf_counter()
        parts = build(folder, chunks, threads)
        best = min(best, (cpu() - used, time.perf_counter() - started))
    result = {"cpu": best[0], "wall": best[1]}
    result["peak"] = peak_gb()
    if name.startswith("featuretools"):
        result["rows"], result["columns"] = parts[0].shape
    elif not name.startswith("scan"):
        import numpy as np

        frame = to_frame(parts[0])
        frame = frame[frame["lead"] < SAMPLE].sort_values(["lead", "age"])
        np.save(folder / f"{name}.npy", frame[NAMES].to_numpy("float32"))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
