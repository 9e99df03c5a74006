"""Those of the sixty bad inputs that need a company with canaries: artifact, hosts, canaries.

One small company, trained once, whose data hold an e-mail address and a telephone number that
nothing but its own tables may ever show.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from data.errors import InputError, LeadScoreError, OutsideError
from data.network import require_reachable
from data.reading.read_tables import read_tables
from data.reading.sources import read_source
from data.schema import ArtifactSection, NetworkSection
from data.schema_steps import WriteBackSection
from data.schema_types import Source
from data.world import make_world, write_world
from models.artifact import load_artifact, write_artifact
from models.predictor import ModelParts, read_artifact
from models.signature import Trust
from serving.crm.connectors import connect
from serving.crm.interface import CrmError
from serving.loaded_model import load_model
from serving.run_moment import RunMoment
from serving.score import score_leads
from serving.session import Session, open_session
from serving.verbs import score_run, train_model
from serving.writeback.write_back import write_back
from training.model_card import CARD_FILE
from training.registry import Registry

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "software_trial.toml"
MAIL, PHONE, PASSWORD = "canary.bird@aviary-9731.example", "+39 055 97314242", "s3cr3t-9731"
NOW = 1_793_500_000_000_000

# --- one small company ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Company:
    file: Path
    session: Session
    reading: Any
    model: Any
    artifact: Path
    scored: Any
    said: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    """Train on leads of which forty bear the canaries: in e-mail, name, comment and country."""
    folder = tmp_path_factory.mktemp("canaries")
    write_world(make_world("software_trial", 2500, 7), folder, project=EXAMPLE)
    leads = pd.read_parquet(folder / "leads.parquet")
    leads.loc[:39, ["email", "person", "owner_comment"]] = [
        MAIL,
        f"Bird {PHONE}",
        f"{MAIL} {PHONE}",
    ]
    leads.loc[:39, "country"] = PHONE
    leads.loc[40:79, "country"] = MAIL
    leads.to_parquet(folder / "leads.parquet")
    said: list[str] = []
    session = open_session(folder / EXAMPLE.name, state=folder / "state", threads=1)
    reading = session.read()
    _, published = train_model(session, reading, fast=True, on_stage=said.append)
    assert published.version is not None
    model = session.model(published.version.version)
    scored = score_run(
        session,
        reading,
        model,
        RunMoment(reading.tables.observed_until, NOW, "n1"),
        on_stage=said.append,
    )
    said.append(
        write_back(
            session.state.scores, session.project, session.state.folder, now=NOW, run_id="n1"
        ).summary
    )
    artifact = published.version.folder
    return Company(folder / EXAMPLE.name, session, reading, model, artifact, scored, said)


def rescore(company: Company, leads: pd.DataFrame) -> pd.DataFrame:
    """Score the company with another leads table."""
    tables, outcomes = read_tables(
        company.session.project, frames={"leads": leads}, kinds=company.model.kinds
    )
    return score_leads(
        company.session.project,
        tables,
        outcomes,
        company.model,
        RunMoment(company.scored.as_of, NOW, "n2"),
    ).table


def own_leads(company: Company) -> pd.DataFrame:
    return pd.read_parquet(company.file.parent / "leads.parquet")


# --- 16 to 22: the artifact ----------------------------------------------------------------------


@pytest.fixture
def copied(company: Company, tmp_path: Path) -> Path:
    return Path(shutil.copytree(company.artifact, tmp_path / "copy"))


@pytest.fixture
def wooded(company: Company, tmp_path: Path) -> Path:
    """Give the company's model a little forest, whichever learner won."""
    files = read_artifact(company.artifact)
    parts = json.loads(files["parts.json"])
    names = [f["name"] for f in parts["features"] if f["kind"] == "number"][:6]
    parts["encoders"] = [{"name": name, "kind": "number", "source": name} for name in names]
    parts["forest"] = {"count": 1, "weight": 0.1}
    rows = np.random.default_rng(0).normal(size=(400, len(names)))
    settings = {"objective": "binary", "num_leaves": 8, "verbosity": -1, "num_threads": 1}
    booster = lightgbm.train(settings, lightgbm.Dataset(rows, rows[:, 0] > 0), 3)
    kept = ("catalogue.json", "facts.json", "kinds.json", CARD_FILE)
    extra = {name: files[name] for name in kept}
    write_artifact(
        ModelParts.from_json(parts), [booster.model_to_string()], tmp_path / "wooded", extra=extra
    )
    return tmp_path / "wooded"


def replace_file(folder: Path, name: str, raw: bytes) -> None:
    """Put other bytes in place and make the manifest agree with them."""
    (folder / name).write_bytes(raw)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = hashlib.sha256(raw).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def forest_of(folder: Path) -> str:
    return sorted(path.name for path in folder.glob("forest_*.txt"))[0]


def test_bad_input_16_a_pickle_is_no_model_and_is_not_opened(wooded: Path, tmp_path: Path) -> None:
    trap = tmp_path / "opened"
    pickled = b"cos\nsystem\n(S'touch " + str(trap).encode() + b"'\ntR."
    replace_file(wooded, forest_of(wooded), pickled)
    with pytest.raises(InputError, match="not a whole LightGBM text model"):
        load_artifact(wooded)
    assert not trap.exists()


def test_bad_input_18_flipped_byte_in_model_is_named_and_nothing_is_scored(
    company: Company, wooded: Path
) -> None:
    name = forest_of(wooded)
    raw = bytearray((wooded / name).read_bytes())
    raw[len(raw) // 2] ^= 1
    (wooded / name).write_bytes(raw)
    with pytest.raises(InputError, match=f"{name}: does not match") as caught:
        company.session.model(str(wooded))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("line", "into"),
    [
        ("split_feature=", "split_feature=99999 "),
        ("left_child=", "left_child=123456789 "),
        ("leaf_value=", "leaf_value=nan "),
        ("num_leaves=", "num_leaves=2000000000"),
        ("threshold=", "threshold=x "),
    ],
)
def test_bad_input_19_edited_numbers_with_a_right_hash_are_refused_and_nobody_dies(
    wooded: Path, line: str, into: str
) -> None:
    name = forest_of(wooded)
    text = (wooded / name).read_text()
    start = text.index(f"\n{line}") + 1
    end = text.index("\n", start)
    kept = "" if line == "num_leaves=" else text[start:end].partition("=")[2].partition(" ")[2]
    replace_file(wooded, name, (text[:start] + into + kept + text[end:]).encode())
    with pytest.raises(InputError, match="forest 0"):
        load_artifact(wooded)


OURS, OLDER, THEIRS = ("0123456789abcdef" * 2 + letter for letter in "oet")


def registry_that_trusts(company: Company, keys: str, *, demanded: bool = True) -> Registry:
    trust = Trust.of(keys, demanded=demanded, variable="LEADSCORE_SIGNING_KEY")
    return replace(company.session.registry, trust=trust)


@pytest.mark.parametrize(
    ("signed_by", "refusal"),
    [(None, "is not signed"), (THEIRS, "signed by an unknown key"), (OURS, None), (OLDER, None)],
)
def test_bad_input_22_only_an_artifact_signed_by_a_known_key_is_taken(
    company: Company, copied: Path, signed_by: str | None, refusal: str | None
) -> None:
    registry = registry_that_trusts(company, f"{OURS} {OLDER}")
    if signed_by is not None:
        registry_that_trusts(company, signed_by).trust.sign(copied)
    if refusal is None:
        assert load_model(registry.find(str(copied))).scorer.names == company.model.scorer.names
        return
    with pytest.raises(InputError, match=refusal) as caught:
        registry.find(str(copied))
    assert caught.value.exit_code == 2


def test_bad_input_22_what_changed_after_signing_is_refused_though_its_hash_is_right(
    company: Company, copied: Path
) -> None:
    registry = registry_that_trusts(company, OURS)
    registry.trust.sign(copied)
    replace_file(copied, "facts.json", b'{"table": {}, "typical": 0}')
    with pytest.raises(InputError, match="changed after it was signed"):
        registry.find(str(copied))


def test_bad_input_22_without_a_demand_unsigned_is_taken_and_a_foreign_signature_is_not(
    company: Company, copied: Path
) -> None:
    registry = registry_that_trusts(company, OURS, demanded=False)
    assert registry.find(str(copied)).folder == copied
    registry_that_trusts(company, THEIRS).trust.sign(copied)
    with pytest.raises(InputError, match="unknown key"):
        registry.find(str(copied))


def test_bad_input_22_a_demand_without_a_key_stops_before_anything_is_trained(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    demanding = company.session.project.model_copy(
        update={"artifact": ArtifactSection(signed=True)}
    )
    session = replace(company.session, project=demanding)
    monkeypatch.delenv("LEADSCORE_SIGNING_KEY", raising=False)
    with pytest.raises(InputError, match="LEADSCORE_SIGNING_KEY is not set"):
        session.registry  # noqa: B018
    monkeypatch.setenv("LEADSCORE_SIGNING_KEY", "short")
    with pytest.raises(InputError, match="less than 32 characters"):
        session.registry  # noqa: B018


# --- 28: hosts -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:9",
        "https://mlflow.example",
        "postgresql://u@db.example/x",
        "databricks",
        "mssql+pyodbc://db.example/x",
        "file://server/share",
    ],
)
def test_bad_input_28_a_tracking_server_that_is_not_named_is_not_reached(
    company: Company, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: Any) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", unreachable)
    session = replace(company.session, tracking=uri)
    with pytest.raises(InputError, match="not allowed, so no connection was made"):
        session.registry.champion()


def test_bad_input_28_a_bucket_that_is_not_named_is_not_read() -> None:
    for uri in ("s3://models/1", "gs://models/1", "mlflow-artifacts://other.example/1"):
        with pytest.raises(InputError, match="is not allowed"):
            require_reachable(uri, ("mlflow.example",))
        require_reachable(uri, ("models", "other.example"))
    for uri in ("mlflow-artifacts:/1/a", "file:///a/b", "a/b", "sqlite:///a.db"):
        require_reachable(uri, ())


# --- 26, 27: canaries ----------------------------------------------------------------------------


def contents(folder: Path) -> dict[str, bytes]:
    """Read every file of a folder; Parquet as text as well, since its pages are compressed."""
    found = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    for name in [name for name in found if name.endswith(".parquet")]:
        found[name] += pq.read_table(folder / name).to_pandas().to_csv().encode()
    return found


def test_bad_input_26_a_password_is_in_no_message_and_no_file(
    company: Company, monkeypatch: pytest.MonkeyPatch, caplog: Any, capfd: Any, tmp_path: Path
) -> None:
    monkeypatch.setenv("CANARY_LOGIN", f"ann:{PASSWORD}")
    allowed = NetworkSection(allow=("127.0.0.1",))
    messages = list(company.said)
    for kind, url in (
        ("postgresql", "postgresql://127.0.0.1:9/crm"),
        ("postgresql", f"postgresql://ann:{PASSWORD}@127.0.0.1:9/crm"),
    ):
        section = WriteBackSection(crm=kind, url=url, credentials="CANARY_LOGIN")
        changed = {"write_back": section, "network": allowed}
        project = company.session.project.model_copy(update=changed)
        with pytest.raises(LeadScoreError) as caught:
            write_back(company.session.state.scores, project, tmp_path / "x", now=NOW, run_id="r")
        messages.append(str(caught.value))
    for kind in ("rest", "tryton"):
        section = WriteBackSection(crm=kind, url="http://127.0.0.1:9/x", credentials="CANARY_LOGIN")
        crm = connect(section, tmp_path, allowed.allow)
        with pytest.raises(CrmError) as refused:
            crm.read_scores(["a"])
        crm.close()
        messages.append(str(refused.value))
    source = Source(source=f"postgresql://ann:{PASSWORD}@127.0.0.1:9/crm", query="select 1")
    with pytest.raises(LeadScoreError) as read:
        read_source(source, company.session.project.model_copy(update={"network": allowed}))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    registry = Registry(f"http://ann:{PASSWORD}@127.0.0.1:9", "acme", allow=allowed.allow)
    with pytest.raises(OutsideError) as unreachable:
        registry.champion()
    messages += [str(read.value), str(unreachable.value)]
    captured = capfd.readouterr()
    messages += [caplog.text, captured.out, captured.err]
    assert not [text for text in messages if PASSWORD in text]
    for folder in (company.session.state.folder, tmp_path):
        assert not [name for name, raw in contents(folder).items() if PASSWORD.encode() in raw]


def test_bad_input_27_an_address_and_a_number_are_in_no_log_model_registry_or_ledger(
    company: Company, caplog: Any, capfd: Any
) -> None:
    told = list(company.said)
    for canary in (MAIL, PHONE):
        with pytest.raises(InputError, match="column expected_amount") as wrong:
            rescore(company, own_leads(company).assign(expected_amount=canary))
        told.append(str(wrong.value))
    captured = capfd.readouterr()
    told += [caplog.text, captured.out, captured.err]
    assert not [text for text in told if MAIL in text or PHONE in text]
    found = {
        name: [canary for canary in (MAIL, PHONE) if canary.encode() in raw]
        for name, raw in contents(company.session.state.folder).items()
    }
    assert {name: canaries for name, canaries in found.items() if canaries} == {}
