"""Take the documentation's pictures of the terminal: `python -m benchmarks.terminal_pictures OUT`.

The commands are run for real, on one CSV of a simulated company, the one of the tutorial, and what
they print becomes SVG.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

import leadscore as ls

WIDTH = 110
LEADS = 3000
RUNS = (  # name of the picture, command
    ("init", ("init", "leads.csv", "--out", "acme.toml", "--yes")),
    ("check", ("check", "acme.toml")),
    ("train", ("train", "acme.toml", "--fast")),
    ("score", ("score", "acme.toml")),
    ("explain", ("explain", "acme.toml", "LEAD")),
    ("monitor", ("monitor", "acme.toml")),
)


def main(arguments: list[str]) -> int:
    """Run all commands, one after the other, and draw each."""
    if len(arguments) != 1:
        print("python -m benchmarks.terminal_pictures OUT", file=sys.stderr)
        return 2
    out = Path(arguments[0])
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write_leads(folder / "leads.csv")
        for name, command in RUNS:
            words = [best_lead(folder) if word == "LEAD" else word for word in command]
            printed = run(words, folder)
            target = out / f"terminal-{name}.svg"
            target.write_text(draw(name, words, printed), encoding="utf-8")
            print(f"{target}  {target.stat().st_size / 1000:.0f} kB")
    return 0


def write_leads(path: Path) -> None:
    """Write one table of leads: who they are, when they came, when they became an opportunity."""
    tables = ls.simulate("software_trial", leads=LEADS).tables
    won = tables["opportunities"].groupby("lead_id")["created_at"].min()
    companies = tables["accounts"].set_index("account_id")[["employees", "sector"]]
    leads = tables["leads"].join(won.rename("opportunity_at"), on="lead_id")
    leads = leads.join(companies, on="account_id")
    who = ["source", "country", "job_title", "email", "employees", "sector"]
    leads[["lead_id", "created_at", *who, "opportunity_at"]].to_csv(path, index=False)


def best_lead(folder: Path) -> str:
    """Find the id of the lead with the highest score of the run before."""
    import pandas as pd

    file = next(folder.glob(".leadscore/*/scores.parquet"))
    return str(pd.read_parquet(file).sort_values("score").iloc[-1]["lead_id"])


def run(words: list[str], folder: Path) -> str:
    """Run the command as a terminal of this width would; what it prints, progress left out."""
    wide = {"COLUMNS": str(WIDTH), "FORCE_COLOR": "1", "TERM": "xterm-256color"}
    root = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "leadscore", *words],
        cwd=folder,
        env={**os.environ, **wide, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if line.startswith("leadscore: ")]
    return done.stdout + "\n".join(said)


def draw(name: str, words: list[str], printed: str) -> str:
    """Draw what was printed as SVG, without the fonts that it would fetch."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text(f"$ leadscore {' '.join(words)}", style="bold"))
    console.print(Text.from_ansi(printed))
    picture = console.export_svg(title="leadscore", unique_id=f"terminal-{name}")
    return re.sub(r"@font-face\s*\{.*?\}", "", picture, flags=re.DOTALL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
