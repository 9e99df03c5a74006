"""The files of examples/deploy: taken by their tools, watching what exists."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest

from serving.http.application import Metrics
from serving.night_journal import NightJournal
from serving.night_result import NightResult, NightStep

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "examples" / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())


def run(*command: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*map(str, command)], cwd=cwd, capture_output=True, text=True, check=False, timeout=120
    )


def test_every_figure_that_a_rule_watches_exists() -> None:
    rules = (DEPLOY / "prometheus" / "leadscore-alerts.yml").read_text(encoding="utf-8")
    step = NightStep("score", "done", 0, 1.0, "")
    night = NightResult("acme", 0, 1.0, "r", steps=(step,)).metrics(NightJournal())
    service = Metrics()
    service.requests.labels("200").inc()
    text = night + generate_latest(service.registry).decode()
    exposed = set(re.findall(r"^(leadscore_\w+)", text, re.MULTILINE))
    watched = set(re.findall(r"\b(leadscore_\w+)", rules)) - {"leadscore_version"}
    assert watched
    assert watched <= exposed
    for group in yaml.safe_load(rules)["groups"]:
        for rule in group["rules"]:
            assert {"summary", "action"} <= rule["annotations"].keys()


def test_the_rules_fire_when_they_should_and_only_then() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    folder = DEPLOY / "prometheus"
    checked = run(promtool, "check", "rules", "leadscore-alerts.yml", cwd=folder)
    tested = run(promtool, "test", "rules", "leadscore-alerts-test.yml", cwd=folder)
    assert (checked.returncode, tested.returncode) == (0, 0), checked.stderr + tested.stdout


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8").replace("/opt/leadscore/bin/leadscore", "/bin/true")
        (tmp_path / unit.name.replace("@", "@acme")).write_text(text)
    said = run(analyze, "verify", *sorted(tmp_path.iterdir()))
    ours = [line for line in said.stderr.splitlines() if "leadscore-" in line]
    assert ours == []


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_runs_a_verb_that_exists_and_is_confined(unit: Path) -> None:
    text = unit.read_text(encoding="utf-8")
    if unit.suffix == ".timer":
        assert "Persistent=true" in text
        assert unit.with_suffix(".service").is_file()
        return
    verb = re.search(r"bin/leadscore (\w+)", text)
    assert verb is not None
    assert verb[1] in {"night", "serve", "backup"}
    for setting in ("User=leadscore", "UMask=0077", "NoNewPrivileges=yes", "ProtectSystem=strict"):
        assert setting in text
    if "Type=oneshot" in text:  # 4 alone is worth another try
        assert "RestartPreventExitStatus=1 2 3" in text


def test_compose_runs_confined_and_publishes_to_this_machine_alone() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]
    assert services.keys() == {"serve", "night"}
    for service in services.values():
        assert service["user"] == "10001:10001"
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
    assert services["serve"]["ports"] == ["127.0.0.1:8000:8000"]


def rendered() -> list[dict[str, Any]]:
    """Fill the chart's values in: its templates hold names and nothing else of the language."""
    root = DEPLOY / "helm" / "leadscore"
    known = {
        "Values": yaml.safe_load((root / "values.yaml").read_text(encoding="utf-8")),
        "Release": {"Name": "acme"},
    }

    def value(found: re.Match[str]) -> str:
        here: Any = known
        for key in found[1].strip(".").split("."):
            here = here[key]
        return str(here)

    documents = []
    for path in sorted((root / "templates").glob("*.yaml")):
        text = re.sub(r"\{\{ (\.[\w.]+) \}\}", value, path.read_text(encoding="utf-8"))
        assert "{{" not in text
        documents += [*yaml.safe_load_all(text)]
    return documents


def test_pods_of_the_chart_run_without_any_right() -> None:
    by_kind = {each["kind"]: each for each in rendered()}
    assert by_kind.keys() == {"CronJob", "Deployment", "Service"}
    night = by_kind["CronJob"]["spec"]["jobTemplate"]["spec"]
    assert by_kind["CronJob"]["spec"]["concurrencyPolicy"] == "Forbid"
    assert night["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"] == [1, 2, 3]
    pods = [night["template"]["spec"], by_kind["Deployment"]["spec"]["template"]["spec"]]
    for pod in pods:
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in pod["containers"]:
            rights = container["securityContext"]
            assert rights["readOnlyRootFilesystem"] is True
            assert rights["allowPrivilegeEscalation"] is False
            assert rights["capabilities"] == {"drop": ["ALL"]}
            assert "memory" in container["resources"]["limits"]


def test_helm_takes_the_chart() -> None:
    helm = shutil.which("helm")
    if helm is None:
        pytest.skip("helm is not installed")
    said = run(helm, "lint", "--strict", DEPLOY / "helm" / "leadscore")
    assert said.returncode == 0, said.stdout


def test_the_image_runs_as_a_number_that_is_not_root() -> None:
    text = (ROOT / "examples" / "Containerfile").read_text(encoding="utf-8")
    assert re.findall(r"^USER (.+)$", text, re.MULTILINE) == ["10001"]
    assert 'ENTRYPOINT ["leadscore"]' in text
