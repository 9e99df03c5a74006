"""The locks are complete, agree with each other, and install whatever the index has by now."""

import hashlib
import os
import re
import shlex
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).parents[1]
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-tryton.lock")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
NOT_LOCKED = {"scale"}


def entries(lock: str) -> list[str]:
    """Split a lock into its requirements, each in one line with its hashes."""
    text = re.sub(r"(?m)^\s*#.*\n", "", (ROOT / lock).read_text()).replace("\\\n", " ")
    return text.splitlines()


def versions(lock: str) -> dict[str, set[str]]:
    """Name -> versions; several where older Pythons or other systems get another one."""
    pins: dict[str, set[str]] = {}
    for entry in entries(lock):
        name, version = entry.split()[0].split("==")
        pins.setdefault(canonicalize_name(name.partition("[")[0]), set()).add(version)
    return pins


def missing(requirements: list[str], lock: str) -> list[str]:
    """Name the requirements for which the lock has no version, or one that they do not allow."""
    pins = versions(lock)
    wanted = [(each, Requirement(each)) for each in requirements]
    return [
        text
        for text, each in wanted
        if not all(
            version and each.specifier.contains(version)
            for version in pins.get(canonicalize_name(each.name), {""})
        )
    ]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_has_one_version_and_its_hashes(lock: str) -> None:
    assert len(entries(lock)) > 10
    for entry in entries(lock):
        assert re.fullmatch(r"\S+==\S+( ; [^#]+?)?(\s+--hash=sha256:[0-9a-f]{64})+\s*", entry)


@pytest.mark.parametrize("lock", LOCKS)
def test_no_lock_names_an_index(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert not re.search(r"(?m)^\s*(-i|-f|--index|--extra-index|--find-links)", text)


def test_the_developers_lock_has_the_products_versions() -> None:
    product, developers = versions("requirements.lock"), versions("requirements-dev.lock")
    shared = product.keys() & developers.keys()
    assert shared
    assert [name for name in sorted(shared) if not developers[name] <= product[name]] == []


def test_every_dependency_is_in_its_lock_in_a_version_that_it_allows() -> None:
    project, groups = PROJECT["project"], PROJECT["dependency-groups"]
    extras = project["optional-dependencies"].items()
    product = (
        PROJECT["build-system"]["requires"]
        + groups["build"]
        + project["dependencies"]
        + [each for extra, needed in extras if extra not in NOT_LOCKED for each in needed]
    )
    tryton = (ROOT / "requirements-tryton.in").read_text().splitlines()
    assert missing(product, "requirements.lock") == []
    assert missing(groups["dev"], "requirements-dev.lock") == []
    assert missing([line for line in tryton if line[0] != "#"], "requirements-tryton.lock") == []
    assert missing(["numpy>99", "nobody-has-this"], "requirements.lock") == [
        "numpy>99",
        "nobody-has-this",
    ]


def stub_wheel(folder: Path, name: str, version: str, *metadata: str) -> str:
    """Write an empty wheel and give its line in a lock."""
    wheel, info = folder / f"{name}-{version}-py3-none-any.whl", f"{name}-{version}.dist-info"
    head = ("Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *metadata)
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{info}/METADATA", "\n".join(head) + "\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


def makefile_commands(target: str, lock: str) -> tuple[str, str]:
    """What `make` runs to install a lock, and to see whether it was complete."""
    made = run("make", "-n", "-B", "UV=", "VENV=.venv", target, folder=ROOT)
    lines = made.stdout.splitlines()
    (install,) = (number for number, line in enumerate(lines) if line.endswith(f"-r {lock}"))
    check = next(line for line in lines[install:] if "pip check" in line)
    return lines[install], check


def run(*command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run in a folder whose only index is the folder `wheels`."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "TMPDIR") if key in os.environ}
    alone = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "wheels", "PIP_CONFIG_FILE": os.devnull}
    return subprocess.run(
        command, cwd=folder, env=kept | alone, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def moved_on(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lock plug 1.0 -> meter[toml] 1.0, in an environment with the interpreter's own pip.

    Since then the index got meter 2.0, as it got a newer coverage[toml] under pytest-cov.
    """
    folder = tmp_path_factory.mktemp("moved_on")
    (folder / "wheels").mkdir()
    plug = stub_wheel(folder / "wheels", "plug", "1.0", "Requires-Dist: meter[toml]")
    meter = stub_wheel(folder / "wheels", "meter", "1.0", "Provides-Extra: toml")
    stub_wheel(folder / "wheels", "meter", "2.0", "Provides-Extra: toml")
    (folder / "complete.lock").write_text(meter + plug)
    (folder / "incomplete.lock").write_text(plug)
    made = run(sys.executable, "-m", "venv", ".venv", folder=folder)
    assert made.returncode == 0, made.stderr
    return folder


def test_an_index_that_moved_on_stops_an_old_pip_that_looks_dependencies_up(moved_on: Path) -> None:
    python = ".venv/bin/python"
    pip = Version(run(python, "-m", "pip", "--version", folder=moved_on).stdout.split()[1])
    asked = run(
        python,
        "-m",
        "pip",
        "install",
        "--dry-run",
        "--require-hashes",
        "-r",
        "complete.lock",
        folder=moved_on,
    )
    if pip < Version("23.3"):  # 3.11.7 and 3.12.1 bring 23.2.1, Debian 12 brings 23.0.1
        assert asked.returncode == 1
        assert "all requirements must have their versions pinned with ==" in asked.stderr
        assert "meter[toml]" in asked.stderr
    else:
        assert asked.returncode == 0, asked.stderr


@pytest.mark.parametrize(
    ("target", "lock"),
    [
        (".venv/.ready", "requirements.lock"),
        (".venv/.ready-dev", "requirements-dev.lock"),
        (".venv-tryton/.ready", "requirements-tryton.lock"),
    ],
)
def test_an_index_that_moved_on_changes_nothing_for_make(
    moved_on: Path, target: str, lock: str
) -> None:
    install, check = (
        command.replace(".venv-tryton/", ".venv/") for command in makefile_commands(target, lock)
    )
    (moved_on / lock).write_text((moved_on / "complete.lock").read_text())
    installed = run(*shlex.split(install), folder=moved_on)
    assert installed.returncode == 0, installed.stderr
    assert run("sh", "-c", check, folder=moved_on).returncode == 0
    listed = run(".venv/bin/python", "-m", "pip", "list", folder=moved_on).stdout
    assert re.search(r"meter\s+1\.0\n", listed)


def test_make_says_when_a_lock_is_incomplete(moved_on: Path) -> None:
    install, check = makefile_commands(".venv/.ready", "requirements.lock")
    (moved_on / "requirements.lock").write_text((moved_on / "incomplete.lock").read_text())
    run(".venv/bin/python", "-m", "pip", "uninstall", "-y", "meter", folder=moved_on)
    assert run(*shlex.split(install), folder=moved_on).returncode == 0
    checked = run("sh", "-c", check, folder=moved_on)
    assert checked.returncode == 1
    assert "plug 1.0 requires meter, which is not installed" in checked.stdout
