"""The registry on a real MLflow store: versions, aliases, rollback, and no second guess."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

from data.errors import InputError, OutsideError
from models.signature import Trust
from training.registry import BOUND, Registry
from training.registry_tables import read_version
from training.state import StatePaths


@pytest.fixture(scope="module")
def registry(tmp_path_factory) -> Registry:
    registry = Registry.of(StatePaths(tmp_path_factory.mktemp("state")), "acme")
    for number in (1, 2, 3):
        register(registry, tmp_path_factory.mktemp(f"artifact{number}"), number)
    return registry


def register(registry: Registry, folder: Path, number: int) -> None:
    (folder / "manifest.json").write_text(
        json.dumps({"files": {"parts.json": str(number)}, "number": number})
    )
    registry.register(
        folder,
        params={"seed": number},
        metrics={"auc": 0.7},
        tags={"data": f"d{number}"},
        pages={"audit.html": "<p>"},
        example=pd.DataFrame({"a": [1.0], "b": ["x"]}),
    )


def test_versions_count_up_and_keep_their_tags(registry):
    assert [(v, tags["data"]) for v, tags, _ in registry.versions()] == [
        ("3", "d3"),
        ("2", "d2"),
        ("1", "d1"),
    ]


def test_without_a_champion_there_is_none_and_its_alias_is_an_error(registry):
    assert registry.champion() is None
    with pytest.raises(InputError, match="no version of acme is champion"):
        registry.find("champion")


def test_rollback_goes_back_along_the_promotions_and_never_to_what_was_rolled_back(registry):
    for version in ("2", "1", "3"):
        registry.promote(version)
    assert registry.champion().version == "3"
    assert registry.rollback() == "1"
    assert registry.champion().version == "1"
    assert registry.rollback() == "2"
    assert {v: aliases for v, _, aliases in registry.versions() if aliases} == {"2": ("champion",)}
    with pytest.raises(InputError, match="no earlier champion"):
        registry.rollback()
    registry.promote("3")  # by hand, what was rolled back is champion again
    assert registry.rollback() == "2"


def test_promoting_the_champion_again_keeps_the_way_back(registry):
    registry.promote("1")
    registry.promote("2")
    registry.promote("2")
    assert registry.rollback() == "1"


@pytest.mark.parametrize("reference", ["9", "nobody", "²"])
def test_an_unknown_reference_is_an_error_and_never_another_version(registry, reference):
    with pytest.raises(InputError, match=f"has no model acme@{reference}"):
        registry.find(reference)


def test_a_folder_that_is_no_artifact_is_refused(registry, tmp_path):
    with pytest.raises(InputError, match="no model artifact"):
        registry.find(str(tmp_path))


def test_a_folder_in_the_working_directory_is_no_champion_and_no_version(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.promote("1")
    known = [registry.find(each).folder for each in ("champion", "2")]
    for name in ("champion", "2", "mine"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert [registry.find(each).folder for each in ("champion", "2")] == known
    champion = registry.champion()
    assert champion is not None
    assert champion.folder == known[0]
    assert registry.find("mine").folder == Path("mine")


def test_a_registry_that_can_not_be_reached_is_an_outside_fault(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    registry = Registry(f"sqlite:///{Path(blocked) / 'mlflow.db'}", "acme")
    with pytest.raises(OutsideError):
        registry.find("1")


def test_what_the_database_says_is_told_in_one_line_without_its_statement(tmp_path, capfd):
    registry = Registry.of(StatePaths(tmp_path / "state"), "acme")
    (tmp_path / "artifact").mkdir()
    register(registry, tmp_path / "artifact", 1)
    with sqlite3.connect(tmp_path / "state" / "mlflow.db") as database:
        database.execute("drop table model_versions")
    with pytest.raises(OutsideError, match="no such table: model_versions") as told:
        registry.find("1")
    assert "SELECT" not in str(told.value)
    assert "Traceback" not in capfd.readouterr().err


def number_of(registry: Registry, reference: str) -> tuple[int, Path]:
    folder = registry.find(reference).folder
    return json.loads((folder / "manifest.json").read_text())["number"], folder


def test_a_state_folder_that_was_moved_finds_its_models_and_takes_new_ones(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    first = Registry.of(StatePaths(old), "acme")
    for number in (1, 2):
        folder = tmp_path / f"artifact{number}"
        folder.mkdir()
        register(first, folder, number)
    first.promote("1")
    shutil.move(old, new)
    moved = Registry.of(StatePaths(new), "acme")
    assert number_of(moved, "champion")[0] == 1
    assert number_of(moved, "champion")[1].is_relative_to(new)
    for number in (3, 4):
        folder = tmp_path / f"artifact{number}"
        folder.mkdir()
        register(moved, folder, number)
    assert [number_of(moved, f"{n}")[0] for n in (1, 2, 3, 4)] == [1, 2, 3, 4]
    assert not old.exists()  # nothing is written where the folder once was
    with moved._tracking() as client:
        names = {each.name for each in client.search_experiments()}
    assert names == {"acme", "acme, moved from experiment 1", "Default"}


def test_a_copy_of_a_state_folder_reads_its_own_models(tmp_path):
    folder = tmp_path / "artifact"
    folder.mkdir()
    register(Registry.of(StatePaths(tmp_path / "one"), "acme"), folder, 1)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    found = Registry.of(StatePaths(tmp_path / "two"), "acme").find("1")
    assert found.folder.is_relative_to(tmp_path / "two")


KEY = "k" * 32


@pytest.fixture
def signed(tmp_path: Path) -> Registry:
    trust = Trust((KEY.encode(),), demanded=True)
    registry = Registry.of(StatePaths(tmp_path / "state"), "acme", trust=trust)
    for number in (1, 2):
        (tmp_path / f"a{number}").mkdir()
        register(registry, tmp_path / f"a{number}", number)
    return registry


def test_two_signed_versions_cannot_be_swapped(signed: Registry, tmp_path: Path) -> None:
    folders = [signed.find(number).folder for number in ("1", "2")]
    aside = tmp_path / "aside"
    folders[0].rename(aside)
    folders[1].rename(folders[0])
    aside.rename(folders[1])
    # both are signed, by the right key, and each is the other's
    for number in ("1", "2"):
        with pytest.raises(InputError, match=f"is not what was signed as version {number}"):
            signed.find(number)
    unsigned = Registry.of(StatePaths(tmp_path / "state"), "acme")
    assert unsigned.find("1").version == "1"  # without a key, nothing is vouched for


def test_a_tag_of_another_version_vouches_for_nothing(signed: Registry) -> None:
    with signed._tracking() as client:
        tag = client.get_model_version("acme", "1").tags[BOUND]
        client.set_model_version_tag("acme", "2", BOUND, tag)
    with pytest.raises(InputError, match="is not what was signed as version 2"):
        signed.find("2")


def test_a_version_that_holds_another_content_is_refused_without_any_key(
    registry: Registry,
) -> None:
    with registry._tracking() as client:
        client.set_model_version_tag("acme", "2", "content", "0" * 16)
    with pytest.raises(InputError, match="holds another model than was registered as version 2"):
        registry.find("2")
    with registry._tracking() as client:
        client.delete_model_version_tag("acme", "2", "content")


@pytest.mark.parametrize(
    ("harm", "refusal"),
    [
        (lambda root: (root / "pyfunc_model.py").write_text("print('owned')"), "does not match"),
        (
            lambda root: edit(root / "MLmodel", "code: null", "code: elsewhere"),
            "another loader",
        ),
        (
            lambda root: edit(root / "MLmodel", "loaders.code_model", "loaders.chat_agent"),
            "another loader",
        ),
        (
            lambda root: edit(root / "MLmodel", "flavors:\n", "flavors:\n  sklearn: {}\n"),
            "flavour that was not registered",
        ),
        (lambda root: (root / "MLmodel").write_text("{"), "no description of a model"),
        (lambda root: (root / "MLmodel").write_text("flavors: [1]"), "no description of a model"),
    ],
)
def test_code_that_mlflow_would_execute_is_compared(
    signed: Registry, harm: Callable[[Path], object], refusal: str
) -> None:
    root = signed.find("1").folder.parents[1]
    harm(root)
    with pytest.raises(InputError, match=refusal):
        signed.find("1")
    assert signed.find("2").version == "2"


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_a_version_is_read_without_mlflow_as_mlflow_gives_it(registry):
    registry.promote("2")
    for reference in ("1", "2", "champion"):
        assert registry._stored(reference) == registry._ask_mlflow(reference)


def test_what_the_tables_do_not_say_is_asked_of_mlflow(registry, tmp_path):
    file = Path(registry.uri.removeprefix("sqlite:///"))
    assert read_version(file, "acme", "latest") is None
    assert read_version(file, "acme", "nobody") is None
    assert read_version(file, "acme", "9" * 30) is None
    assert read_version(tmp_path / "absent.db", "acme", "1") is None
    other = tmp_path / "other.db"
    shutil.copy(file, other)
    with closing(sqlite3.connect(other)) as tables:
        tables.execute("alter table model_versions rename column storage_location to place")
    assert read_version(other, "acme", "1") is None


@pytest.mark.checkout
def test_explaining_a_lead_imports_nothing_that_only_learning_needs():
    code = (
        "import sys, serving.explain, serving.loaded_model, serving.session, serving.lost_inputs\n"
        "import training.registry\n"
        "heavy = {'mlflow', 'sklearn', 'lightgbm', 'scipy.stats', 'sqlalchemy'}\n"
        "sys.exit(f'imported: {heavy & set(sys.modules)}' if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
