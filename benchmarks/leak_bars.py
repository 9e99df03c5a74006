"""What was planted and who saw it -> the catch matrix, and its bars."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np


def show(results: dict[str, Any], curve: dict[float, tuple[float, float]]) -> None:
    print(
        f"{'planted column, wrongly declared fixed':44} AUC   leadscore        |corr|>.95  AUC>=.95"
    )
    for plant, areas in results["area"].items():
        ours = results["ours"][plant]
        by = Counter(d for detectors in ours for d in detectors)
        names = " ".join(f"{d}" for d, _ in by.most_common(3))
        rate = np.mean([bool(d) for d in ours])
        print(
            f"{plant:44} {np.mean(areas):.3f} {rate:5.0%} {names:10} "
            f"{np.mean(results['corr'][plant]):9.0%} {np.mean(results['h2o'][plant]):9.0%}"
        )
    print(f"\n{'planted structure':44}       leadscore        the others see no columns: 0 %")
    for plant, hits in results["structure"].items():
        by = Counter(d for detectors in hits for d in detectors)
        rate = np.mean([bool(d) for d in hits])
        print(f"{plant:44}       {rate:5.0%} {' '.join(d for d, _ in by.most_common(3))}")
    print("\ntrue AUC of one column   leadscore   AUC >= .95   (2,000 rows, 100 positives)")
    for area, (ours, other) in curve.items():
        print(f"{area:20.3f} {ours:12.0%} {other:12.0%}")
    for level, result in results["leadforge"].items():
        print(f"\nleadforge {level}: {result}")
    for reason in results["reasons"][:10]:
        print(f"false alarm: {reason}")
    missed = [plant for plant, hits in results["ours"].items() if not any(hits)]
    print(
        "\nNever caught by a figure where somebody declares them fixed (undeclared: refused by D4):"
    )
    for plant in missed:
        asked = "D3 asks about its name" if plant in results["asked"] else "nothing says so"
        print(f"  {plant} (AUC {np.mean(results['area'][plant]):.2f}): {asked}")


def judge(results: dict[str, Any], curve: dict[float, tuple[float, float]]) -> int:
    structure = [bool(d) for hits in results["structure"].values() for d in hits]
    strong = results["strong"]
    worst = min(ours for area, (ours, _) in curve.items() if area >= 0.95)
    alarms, honest = len(results["alarms"]), results["honest"]
    plants = len(results["area"]) + len(results["structure"])
    clean = float(np.mean(results["clean"]))
    signal = np.mean(results["signal"]) if results["signal"] else 0.0
    bars = [
        ("number of plants", plants, ">= 24", plants >= 24),
        ("structural plants caught", np.mean(structure), "= 1", all(structure)),
        ("plants with AUC >= .95 caught", np.mean(strong), ">= .95", np.mean(strong) >= 0.95),
        ("power at true AUC .95 and above", worst, ">= .95", worst >= 0.95),
        (
            "false alarms per 200 honest features",
            200 * alarms / honest,
            "<= 1",
            200 * alarms <= honest,
        ),
        ("clean worlds with an alarm", clean, "<= .05", clean <= 0.05),
        ("honest signals of AUC .85 held", signal, "= 0", signal == 0),
    ]
    for level, result in results["leadforge"].items():
        refused, lost = sum(result["traps"].values()), len(result["lost"] + result["stops"])
        bars.append((f"leadforge {level}: traps refused", refused, "= 3", refused == 3))
        bars.append((f"leadforge {level}: honest columns lost", lost, "= 0", lost == 0))
    for name, figure, bar, met in bars:
        print(f"{'met' if met else 'missed'}  {name}  {figure:.4g}  {bar}")
    return 0 if all(met for *_, met in bars) else 1
