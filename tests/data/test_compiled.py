"""Loops are compiled by one function, also where no folder for machine code can be written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data.compiled import compiled

ROOT = Path(__file__).parents[2]
FOLDERS = ("data", "features", "models", "training", "serving")


def _sources() -> list[Path]:
    return [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.checkout
def test_only_the_predictor_has_a_compiler_of_its_own() -> None:
    own = {str(p.relative_to(ROOT)) for p in _sources() if re.search(r"\bn?jit\(", p.read_text())}
    assert own == {"data/compiled.py", "models/predictor.py"}


@pytest.mark.checkout
@pytest.mark.parametrize("given", [{"NUMBA_CACHE_LOCATOR_CLASSES": "ZipCacheLocator"}, {}])
def test_a_kernel_runs_where_machine_code_can_and_cannot_be_kept(
    given: dict[str, str], tmp_path: Path
) -> None:
    """The locator of zip files finds no folder for any of ours, as with a read-only home."""
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in _sources()
        if "import compiled" in path.read_text()
    ]
    assert "features.kernel" in modules
    code = (
        f"import importlib, numpy as np; [importlib.import_module(m) for m in {modules!r}]\n"
        "from features.presence import leads_by_code\n"
        "one = np.ones(1, np.int64)\n"
        "found = leads_by_code(np.array([0, 1]), one, one.astype(np.int16), 2, one + 1)\n"
        "assert found.tolist() == [0, 1]\n"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), **given}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True)
    assert bool(list(tmp_path.rglob("*.nbi"))) == (not given)


@pytest.mark.checkout
def test_few_steps_run_uncompiled_until_the_compiler_would_have_cost_less() -> None:
    code = (
        "import sys\n"
        "from data.compiled import WORTH_LOADING, compiled\n"
        "@compiled\n"
        "def twice(x): return x + x\n"
        "@compiled\n"
        "def four_times(x): return twice(x) + twice(x)\n"
        "done = 0\n"
        "while 'numba' not in sys.modules:\n"
        "    assert four_times.for_steps(40_000)(2.0) == 8.0\n"
        "    done += 40_000\n"
        "assert WORTH_LOADING < done <= WORTH_LOADING + 40_000\n"
        "assert four_times.for_steps(1)(2.0) == 8.0 and four_times(2.0) == 8.0\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.checkout
def test_much_at_once_is_compiled_at_once() -> None:
    code = (
        "import sys\n"
        "from data.compiled import MANY, compiled\n"
        "@compiled\n"
        "def twice(x): return x + x\n"
        "assert twice.for_steps(MANY + 1)(2.0) == 4.0 and 'numba' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_division_by_zero_follows_the_error_model() -> None:
    @compiled(error_model="numpy")
    def ratio(x: float, y: float) -> float:
        return x / y

    @compiled
    def strict_ratio(x: float, y: float) -> float:
        return x / y

    assert ratio(1.0, 0.0) == np.inf
    with pytest.raises(ZeroDivisionError):
        strict_ratio(1.0, 0.0)
