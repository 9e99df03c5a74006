"""The artifact: it stands alone, refuses what was touched, and two versions live side by side."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest

from data.errors import InputError
from models.artifact import (
    LOADER,
    load_artifact,
    read_extra,
    strip_parameters,
    write_artifact,
)
from models.predictor import LeadScorer, design_matrix

ALONE = """
import sys, types, json
for name in ("models", "data", "features"):
    sys.modules[name] = types.ModuleType(name); sys.modules[name].decoy = True
import pandas as pd, importlib.util
frame = pd.read_parquet(sys.argv[1])
answers = []
spec = importlib.util.spec_from_file_location("any_name", sys.argv[2])
loader = importlib.util.module_from_spec(spec); spec.loader.exec_module(loader)
scorers = [loader.load_scorer(folder) for folder in sys.argv[3:]]
own = [type(scorer).load.__globals__ for scorer in scorers]
assert [each.get("EDITED", False) for each in own] == [False, True]
tuples = [{v.__name__ for v in each.values() if hasattr(v, "_fields")} for each in own]
assert tuples[0] and not tuples[0] & tuples[1], "numba would take the slow way for a second version"
for scorer in scorers:
    found = scorer.contributions(frame)
    answers.append([scorer.margin(frame).tolist(), found.values.sum(axis=1).tolist()])
assert sys.modules["models"].decoy and not any(
    n.startswith(("training", "serving", "models.", "data.", "features.")) for n in sys.modules)
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, fit: Any) -> list[Path]:
    """Two versions, the predictor of the second edited so that it shows whose code answers."""
    root = tmp_path_factory.mktemp("versions")
    for name, seed in (("one", 0), ("two", 1)):
        write_artifact(*fit(seed), root / name, extra={"facts.json": "{}"})
    edited = (root / "two" / "predictor.py").read_bytes() + b"\nEDITED = True\n"
    _write_with_its_hash(root / "two", "predictor.py", edited)
    return [root / "one", root / "two"]


@pytest.fixture
def folder(folders: list[Path], tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(folders[0], tmp_path / "model"))


def test_what_is_written_loads_and_answers_the_same(
    folders: list[Path], handmade: Any, leads: Any
) -> None:
    frame, _ = leads(100, 3)
    expected = LeadScorer(*handmade).margin(frame)
    assert np.array_equal(load_artifact(folders[0]).margin(frame), expected)
    assert read_extra(folders[0], "facts.json") == b"{}"
    names = {path.name for path in folders[0].iterdir()}
    assert names == {
        "manifest.json",
        "parts.json",
        "predictor.py",
        "facts.json",
        "forest_000.txt",
        "forest_001.txt",
    }


def test_two_versions_answer_as_themselves_beside_decoys_without_the_repository(
    folders: list[Path], leads: Any, tmp_path: Path
) -> None:
    frame, _ = leads(20, 3)
    frame.to_parquet(tmp_path / "frame.parquet")
    loader = shutil.copy(LOADER, tmp_path / "loader.py")
    (tmp_path / "alone.py").write_text(ALONE)
    command = [sys.executable, "-I", str(tmp_path / "alone.py"), str(tmp_path / "frame.parquet")]
    done = subprocess.run(
        [*command, str(loader), *map(str, folders)], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    for answer, place in zip(json.loads(done.stdout), folders, strict=True):
        found = load_artifact(place).contributions(frame)
        assert answer == [found.margin.tolist(), found.values.sum(axis=1).tolist()]
    assert not [path for place in folders for path in place.rglob("__pycache__")]


@pytest.mark.filterwarnings("ignore")
def test_mlflow_loads_it_from_code_and_gives_the_same_scores(
    folders: list[Path], leads: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    monkeypatch.chdir(tmp_path)
    store = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)  # restored: MLflow sets it too
    mlflow.set_tracking_uri(store)
    experiment = mlflow.create_experiment("test", artifact_location=(tmp_path / "store").as_uri())
    frame, _ = leads(20, 3)
    for place in folders:
        with mlflow.start_run(experiment_id=experiment):
            logged = mlflow.pyfunc.log_model(
                name="model",
                python_model=str(LOADER),
                artifacts={"model": str(place)},
                pip_requirements=["lightgbm"],
            )
        answer = mlflow.pyfunc.load_model(logged.model_uri).predict(frame)
        expected = load_artifact(place).score(frame)
        assert np.array_equal(answer["margin"], expected.margin)
        assert answer["score"].tolist() == expected.score.tolist()
        moved = tmp_path / f"moved {place.name}"
        shutil.move(next((tmp_path / "store").rglob("MLmodel")).parent, moved)
        said = (moved / "MLmodel").read_text()  # MLflow writes there whence everything came
        assert str(LOADER.parent) in said
        (moved / "MLmodel").write_text(said.replace(str(LOADER.parent), "/nowhere"))
        again = mlflow.pyfunc.load_model(str(moved)).predict(frame)
        assert np.array_equal(again["margin"], expected.margin)


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda f: (f / "extra.pkl").write_bytes(b"x"), "extra.pkl: unknown file"),
        (lambda f: (f / "parts.json").write_bytes(b"{}"), "parts.json: does not match"),
        (lambda f: _flip(f / "forest_001.txt"), "forest_001.txt: does not match"),
        (lambda f: (f / "forest_000.txt").unlink(), "forest_000.txt: missing"),
        (lambda f: _link(f / "forest_000.txt"), "forest_000.txt: missing .* or a link"),
        (lambda f: _promise(f, "../../etc/passwd"), "refused file name"),
        (lambda f: _promise(f, "/etc/passwd"), "refused file name"),
        (lambda f: (f / "manifest.json").write_text("[]"), "expected a JSON object"),
        (lambda f: (f / "manifest.json").write_text('{"format": 99}'), "format 99"),
        (lambda f: (f / "manifest.json").unlink(), "manifest.json: missing"),
    ],
)
def test_what_was_touched_is_refused_by_name(folder: Path, spoil: Any, named: str) -> None:
    spoil(folder)
    with pytest.raises(InputError, match=named) as caught:
        load_artifact(folder)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError):
        read_extra(folder, "parts.json")


def _flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(bytes(raw))


def _link(path: Path) -> None:
    target = path.parent.parent / "elsewhere.txt"
    path.rename(target)
    path.symlink_to(target)


def _write_with_its_hash(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = hashlib.sha256(content).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def _promise(folder: Path, name: str) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = "0" * 64
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("share", [0.05, 0.4, 0.8])
def test_a_truncated_text_with_a_right_hash_is_refused_and_nobody_dies(
    folder: Path, share: float
) -> None:
    raw = (folder / "forest_000.txt").read_bytes()
    _write_with_its_hash(folder, "forest_000.txt", raw[: int(len(raw) * share)])
    read_extra(folder, "parts.json")
    with pytest.raises(InputError, match="forest 0"):
        load_artifact(folder)


def test_parts_that_lack_a_section_are_refused(folder: Path) -> None:
    parts = json.loads((folder / "parts.json").read_text())
    del parts["card"]
    _write_with_its_hash(folder, "parts.json", json.dumps(parts).encode())
    with pytest.raises(InputError, match="the model lacks 'card'"):
        load_artifact(folder)


def test_a_model_that_does_not_load_is_not_written(handmade: Any, tmp_path: Path) -> None:
    parts, texts = handmade
    with pytest.raises(InputError, match="promises 2 forests, found 1"):
        write_artifact(parts, texts[:1], tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_folder_with_something_else_in_it_is_left_alone(handmade: Any, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match="holds no model"):
        write_artifact(*handmade, tmp_path)
    assert (tmp_path / "letter.txt").read_text() == "dear"


def test_writing_again_replaces_the_model(handmade: Any, fit: Any, tmp_path: Path) -> None:
    first = write_artifact(*handmade, tmp_path / "model")
    second = write_artifact(*fit(1), tmp_path / "model")
    assert first.version != second.version
    written = json.loads((tmp_path / "model" / "manifest.json").read_text())
    assert written["version"] == second.version
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_the_same_seed_gives_the_same_bytes_for_any_number_of_threads(leads: Any, fit: Any) -> None:
    parts, _ = fit()
    frame, y = leads(500, 0)
    X = design_matrix(frame, parts.encoders)
    texts = []
    for threads in (1, 2):
        settings = {
            "objective": "binary",
            "verbose": -1,
            "num_threads": threads,
            "seed": 1,
            "deterministic": True,
            "force_row_wise": True,
        }
        texts.append(lightgbm.train(settings, lightgbm.Dataset(X, y), 2).model_to_string())
    assert texts[0] != texts[1]
    assert strip_parameters(texts[0]) == strip_parameters(texts[1])


def test_the_version_is_the_content(handmade: Any, tmp_path: Path) -> None:
    one = write_artifact(*handmade, tmp_path / "one")
    two = write_artifact(*handmade, tmp_path / "two")
    assert one.version == two.version
    assert (tmp_path / "one/manifest.json").read_bytes() == (
        tmp_path / "two/manifest.json"
    ).read_bytes()


def test_a_frame_read_back_from_parquet_scores_the_same(
    folders: list[Path], leads: Any, tmp_path: Path
) -> None:
    frame, _ = leads(200, 5)
    frame.to_parquet(tmp_path / "frame.parquet")
    again = pd.read_parquet(tmp_path / "frame.parquet")
    scorer = load_artifact(folders[0])
    assert np.array_equal(scorer.margin(again), scorer.margin(frame))
