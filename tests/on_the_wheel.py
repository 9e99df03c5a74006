"""The tests, run on the wheel as it is shipped: `python -m tests.on_the_wheel [pytest arguments]`.

Builds the wheel, installs it alone into an environment of its own (dependencies are those of this
interpreter), copies the tests beside decoys named `data`, `features`, `models`, `training` and
`serving` that raise when they are imported, rewrites their imports as the wheel's were, and runs
those that do not need the checkout.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

from hatch_build import FOLDERS, rewrite

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("tests", "notebooks", "examples", "pyproject.toml")
DECOY = 'raise ImportError("a decoy: the wheel must not import its host\'s modules")\n'


def build_wheel(folder: Path) -> Path:
    """Build the wheel of this checkout into `folder`."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return next(folder.glob("*.whl"))


def make_environment(folder: Path, wheel: Path) -> Path:
    """Install the wheel, and nothing else of ours, into a new environment; returns its Python.

    The packages of this environment are seen through a path file, whose own path files (the
    checkout's editable install among them) are not read.
    """
    venv.create(folder, symlinks=True)
    packages = next((folder / "lib").glob("python*/site-packages"))
    seen = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "dependencies.pth").write_text("\n".join(seen) + "\n")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    return folder / "bin" / "python"


def lay_decoys(folder: Path) -> None:
    """Put modules and packages of the five names where a host would have its own."""
    for name in FOLDERS[:2]:
        (folder / f"{name}.py").write_text(DECOY)
    for name in FOLDERS[2:]:
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(DECOY)


def copy_tests(folder: Path) -> None:
    """Copy what tests need; imports of the five folders are rewritten into the package."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    for path in (folder / "tests").rglob("*.py"):
        path.write_text(rewrite(path.read_text(encoding="utf-8"), file=path.name), "utf-8")


def main() -> None:
    """Run pytest on the wheel; its exit code is ours."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python = make_environment(folder / "environment", build_wheel(folder))
        host = folder / "host"
        host.mkdir()
        copy_tests(host)
        lay_decoys(host)
        command = [str(python), "-m", "pytest", "-m", "not slow and not checkout"]
        # Not collected: the decoys, and what reads hatch_build or the docs as it is imported.
        command += ["-o", "testpaths=tests", *sys.argv[1:]]
        command += [
            f"--ignore=tests/{name}.py"
            for name in ("on_the_wheel", "test_wheel_layout", "test_documents")
        ]
        sys.exit(subprocess.run(command, cwd=host, check=False).returncode)


if __name__ == "__main__":
    main()
