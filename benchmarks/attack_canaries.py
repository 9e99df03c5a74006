"""An address in every text column of every source: where does it come out again?

Reports and lists show what the CRM shows, and are not made here; commands, their logs, the model,
the registry, the audit, metrics and every file of the state folder must show none.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from benchmarks.attack import Verdict
from tests.fakes.november_state import November
from tests.golden.product import leadscore
from tests.test_canaries_in_every_column import BIRD, contents, with_canaries

SCORING = ("check", "score --accept", "write-back", "monitor", "doctor", "backup --out b.tar.gz")
LEARNING = ("train --fast --learner logistic", "evaluate", "evaluate --json")


def measure(place: Path, *, full: bool) -> list[Verdict]:
    """Score and write back with them; --full also trains and evaluates on them."""
    company = November.unpack(place)
    columns = 0
    for path in sorted(company.file.parent.glob("*.parquet")):
        if path.stem != "opportunities":  # stages of deals decide what is a conversion
            table = with_canaries(pd.read_parquet(path), path.stem)
            columns += sum(
                table[name].astype(str).str.contains(BIRD, regex=False).any() for name in table
            )
            table.to_parquet(path)
    hits = ended = 0
    verbs = [*(LEARNING if full else ()), *SCORING]
    for words in verbs:
        verb, *options = words.replace("b.tar.gz", str(place / "b.tar.gz")).split()
        state = [] if verb == "check" else ["--state", company.state]
        ran = leadscore(verb, company.file, *options, *state)
        ended += ran.code in (0, 3)
        if BIRD in ran.out + ran.err:
            hits += 1
            print(f"  {verb} says one: {(ran.out + ran.err).partition(BIRD)[0][-80:]}")
    for name, content in contents(company.state).items():
        if BIRD.encode() in content:
            hits += 1
            print(f"  {name} holds one")
    return [
        (hits == 0, f"addresses from {columns} columns that come out again", str(hits), "0"),
        (ended == len(verbs), "commands done with them", str(ended), str(len(verbs))),
    ]
