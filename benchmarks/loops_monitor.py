"""Loop 2, monitor and guard: quiet weeks stay quiet, faults are found and named.

`python -m benchmarks.loops_monitor [--full]`. Companies of benchmarks/monitor_world.py are
simulated, read, and looked at in process by the functions behind the commands monitor and score;
spot checks compare with the command itself. The age of the model is left out of all counts: it is a
fact, not a finding.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.monitor_faults import FAULTS, Fault, spoil
from benchmarks.monitor_run import (
    Looker,
    bare,
    by_command,
    lights,
    moment_of,
    read,
    train_by_command,
    write_files,
)
from benchmarks.monitor_world import WEEK, Company, Wish, make_company
from data.clock import DAY, HOUR
from training.watch.conversion_watch import watch_conversions
from training.watch.signal import Signal

Verdict = tuple[bool, str, str, str]

TRAINED = 52
"""Weeks after which the model is trained."""


@dataclass(frozen=True)
class Sizes:
    """How much is simulated: company-weeks by size, companies for each fall, seeds per fault."""

    quiet: dict[int, int]
    falls: int
    seeds: int
    spots: int
    fault_leads: int
    trained_on: tuple[int, ...]


# A model of a company of 100 leads a week is no measure for weeks of one of 500: those are in full.
SHORT = Sizes({100: 39, 500: 0, 5_000: 0}, 12, 1, 1, 250, (100,))
FULL = Sizes({100: 1_040, 500: 1_040, 5_000: 1_040}, 200, 20, 30, 500, (100, 500))


def main(full: bool) -> int:  # noqa: FBT001
    """Measure and print every bar; 1 where one is missed."""
    verdicts = measure(full=full)
    for met, name, figure, bar in verdicts:
        print(f"{'met' if met else 'missed'}  {name}  {figure}  {bar}")
    return 0 if all(met for met, *_ in verdicts) else 1


def measure(*, full: bool) -> list[Verdict]:
    """Measure quiet companies, falling conversions, faults, and the command."""
    sizes = FULL if full else SHORT
    folder = Path(tempfile.mkdtemp(prefix="leadscore-monitor-"))
    try:
        lookers = {
            leads: Looker(
                train_by_command(
                    company := make_company(1, leads, TRAINED + 1),
                    moment_of(company, TRAINED),
                    folder / str(leads),
                )
            )
            for leads in sizes.trained_on
        }
        verdicts = list(measure_quiet(lookers, sizes))
        verdicts += measure_falls(sizes)
        verdicts += measure_faults(lookers[max(lookers)], sizes)
        verdicts += measure_command(lookers[max(lookers)], folder, sizes)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return verdicts


def measure_quiet(lookers: dict[int, Looker], sizes: Sizes) -> Iterator[Verdict]:
    """Look at quiet companies every week: how many looks are red, how many yellow."""
    for leads, wanted in sizes.quiet.items():
        if not wanted:
            continue
        looker = lookers[max(size for size in lookers if size <= leads)]
        per_company = 26 if leads == 5_000 else 13
        red = yellow = stopped = looks = 0
        names: dict[str, int] = defaultdict(int)
        for seed in range(100, 100 + wanted // per_company):
            company = make_company(seed, leads, TRAINED + per_company)
            end = moment_of(company, TRAINED + per_company)
            crm = read(company.until(end), end)
            for week in range(TRAINED + 1, TRAINED + per_company + 1):
                found = lights(looker.monitor(crm, moment_of(company, week)))
                states = {signal.state for signal in found}
                red += "red" in states
                yellow += "red" not in states and "yellow" in states
                looks += 1
                for signal in found:
                    names[f"{signal.state} {signal.name}"] += 1
            stopped += _quiet_nights(looker, company, seed)
        for name, n in sorted(names.items(), key=lambda pair: -pair[1])[:8]:
            print(f"  {leads} a week: {n} of {looks} weeks: {name}")
        what = f"quiet weeks at {leads:,} leads a week"
        yield _share(f"{what}, red", red, looks, 0.005)
        yield _share(f"{what}, yellow", yellow, looks, 0.05)
        nights = wanted // per_company
        yield _share(f"{what}, nights stopped by the guard", stopped, 2 * nights, 0.005)


def _share(name: str, count: int, of: int, bar: float) -> Verdict:
    return count <= bar * of, name, f"{count} of {of} = {count / of:.2%}", f"<= {bar:.1%}"


def _quiet_nights(looker: Looker, company: Company, seed: int) -> int:
    """Guard two nights of a company, each against the night before: how many are stopped."""
    rng = np.random.default_rng(seed)
    stopped = 0
    for day in rng.integers(1, 7 * 12, 2).tolist():
        at = moment_of(company, TRAINED) + day * DAY + 2 * HOUR
        nights = [
            looker.night(read(company.until(moment), moment), moment) for moment in (at - DAY, at)
        ]
        stopped += bool(looker.guard(nights[1], nights[0]))
    return stopped


def measure_falls(sizes: Sizes) -> Iterator[Verdict]:
    """Let conversions fall by half: by which day is it red?"""
    plans = [
        ("all", 500, (10.0,), 28, 0.95),
        ("all", 100, (10.0,), 91, 0.75),
        ("new", 500, (5.0, 10.0), 28, 0.80),
        ("new", 500, (30.0,), 56, 0.90),
    ]
    for whom, leads, delays, by_day, bar in plans:
        n = sizes.falls if leads > 100 or sizes.falls > 50 else 2 * sizes.falls
        days = [
            _first_red(seed, leads, delays[seed % len(delays)], whom)
            for seed in range(300, 300 + n)
        ]
        share = float(np.mean([day <= by_day for day in days]))
        middle = sorted(days)[len(days) // 2]
        delay = " or ".join(f"{d:.0f}" for d in delays)
        yield (
            share >= bar,
            f"conversions fall by half ({whom} leads, {leads} a week, median delay {delay} days), "
            f"red by day {by_day}",
            f"{share:.0%} of {n}, median day {middle}",
            f">= {bar:.0%}",
        )


def _first_red(seed: int, leads: int, delay: float, whom: str) -> int:
    """Look every week from the change on: the first day on which conversions are red."""
    quiet = make_company(seed, leads, 1)
    day = moment_of(quiet, TRAINED)
    wish = Wish(day, 0.5, whom)
    company = make_company(seed, leads, TRAINED + 14, median_delay=delay, wish=wish, events=False)
    tables, every = bare(company, moment_of(company, TRAINED + 14))
    for weeks in range(1, 14):
        as_of = day + weeks * WEEK
        outcomes = replace(every, observed_until=as_of)
        found = watch_conversions(tables, outcomes, as_of=as_of, horizon=90 * DAY)
        if any(signal.state == "red" for signal in found):
            return 7 * weeks
    return 999


def measure_faults(looker: Looker, sizes: Sizes) -> Iterator[Verdict]:
    """Break the export or the world: is it found, on which day, and named first?"""
    for name, fault in FAULTS.items():
        found = [_find(looker, name, fault, seed, sizes.fault_leads) for seed in range(sizes.seeds)]
        days = [day for day, _ in found if day is not None]
        named = [words for day, words in found if day is not None]
        hit = sum(any(w in line for line in [words] for w in fault.words[-1:]) for words in named)
        if hit < len(found):
            print(f"  {name}: {[words for _, words in found][:3]}")
        middle = sorted(days)[len(days) // 2] if days else None
        yield (
            hit >= 0.95 * len(found),
            f"fault: {name}, found and named in the first line",
            f"{hit} of {len(found)}, median day {middle}",
            ">= 95%",
        )


def _find(looker: Looker, name: str, fault: Fault, seed: int, leads: int) -> tuple[int | None, str]:
    """Let a fault begin, look every night by guard and every week by monitor: (day, first line)."""
    first = moment_of(make_company(seed + 500, leads, 1), TRAINED)
    day = first + (3 * WEEK if fault.wish is None else 0) + 2 * DAY
    wish = None if fault.wish is None else replace(fault.wish, day=day)
    company = make_company(seed + 500, leads, TRAINED + 5 + fault.weeks, wish=wish)
    rng_of = lambda: np.random.default_rng(seed)  # noqa: E731
    if fault.weeks == 1:
        then = looker.night(read(company.until(day), day), day)
        as_of = day + DAY
        now = looker.night(read(spoil(name, company, day, as_of, rng_of()), as_of), as_of)
        breaches = looker.guard(now, then)
        return (1, breaches[0].cause) if breaches else (None, "")
    for weeks in range(1, fault.weeks + 1):
        as_of = day + weeks * WEEK
        crm = read(spoil(name, company, day, as_of, rng_of()), as_of)
        signals = [s for s in lights(looker.monitor(crm, as_of)) if s.state == "red"]
        if signals:
            return 7 * weeks, signals[0].line
    return None, ""


def measure_command(looker: Looker, folder: Path, sizes: Sizes) -> Iterator[Verdict]:
    """Write exports to files and run `leadscore monitor`: does it say the same?"""
    names = [None, *(n for n, f in FAULTS.items() if f.weeks > 1)]
    same = 0
    for spot in range(sizes.spots):
        name = names[-1 - spot % len(names)]
        company = make_company(900 + spot, max(100, sizes.fault_leads // 2), TRAINED + 5)
        day, as_of = moment_of(company, TRAINED + 2), moment_of(company, TRAINED + 4)
        rng = np.random.default_rng(spot)
        export = company.until(as_of) if name is None else spoil(name, company, day, as_of, rng)
        ours = looker.monitor(read(export, as_of), as_of)
        place = folder / f"spot{spot}"
        file = write_files(export, place, as_of)
        told = by_command(file, folder / str(max(sizes.trained_on)) / "state")
        same += _as_told(ours) == [(s["state"], s["name"].replace(".parquet", "")) for s in told]
    yield (
        same == sizes.spots,
        "the command says the same as the function",
        f"{same} of {sizes.spots}",
        "all",
    )


def _as_told(signals: Sequence[Signal]) -> list[tuple[str, str]]:
    return [(signal.state, signal.name) for signal in signals]


if __name__ == "__main__":
    sys.exit(main("--full" in sys.argv))
