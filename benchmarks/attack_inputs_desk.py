"""Where a bad input is tried: a company, its commands and its service, and what is wrong so far."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import pandas as pd

from serving.http.application import create_app
from serving.http.guard import App, Limits
from serving.http.keys import digest
from tests.fakes.november_state import November, good_request
from tests.golden.product import Run, leadscore

AUTH = {"Authorization": "Bearer ls_k"}
Change = Callable[[pd.DataFrame], pd.DataFrame]


@dataclass
class Desk:
    """One company for all sixty; what a command said, and what should have been otherwise."""

    place: Path
    said: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Unpack the company and bring its state to today's format."""
        self.company = November.unpack(self.place / "whole")
        self.run("doctor", "--fix")

    def complain(self, text: str) -> None:
        """Note that something is not as it should be."""
        self.wrong.append(text)

    def complaints(self) -> list[str]:
        """Hand over what was wrong, and start anew."""
        wrong, self.wrong = self.wrong, []
        return wrong

    def must(self, holds: object, text: str) -> None:
        """Complain unless it holds."""
        if not holds:
            self.complain(text)

    def leads(self) -> pd.DataFrame:
        """Read the company's own leads."""
        return pd.read_parquet(self.company.file.parent / "leads.parquet")

    def table(self, name: str, change: Change, *, of: str = "leads") -> Path:
        """Write a table of the company, changed, by the ending of its name."""
        path = self.place / name
        frame = change(pd.read_parquet(self.company.file.parent / f"{of}.parquet"))
        if path.suffix == ".csv":
            frame.to_csv(path, index=False)
        else:
            frame.to_parquet(path)
        return path

    def raw(self, name: str, content: bytes) -> Path:
        """Write a file of these very bytes."""
        path = self.place / name
        path.write_bytes(content)
        return path

    def csv(self, **columns: object) -> bytes:
        """Write the first leads as CSV, some of their columns changed."""
        return self.leads().head(40).assign(**columns).to_csv(index=False).encode()  # type: ignore[arg-type]

    def project(self, old: str, new: str, name: str = "other.toml") -> Path:
        """Write another project file beside the company's own."""
        text = self.company.file.read_text(encoding="utf-8")
        if old not in text:
            raise AssertionError(f"the project file has no {old!r}")
        path = self.company.file.with_name(name)
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        return path

    def run(self, verb: str, *options: object, file: Path | None = None) -> Run:
        """Run a command on the company."""
        state = () if verb == "check" else ("--state", self.company.state)
        ran = leadscore(*verb.split(), file or self.company.file, *options, *state)
        self.said.append(f"[{ran.code}] {ran.err.strip().splitlines()[-1] if ran.err else ''}")
        if "Traceback" in ran.out + ran.err or "internal error" in ran.err:
            self.complain(f"{verb}: {ran.err.strip()[-300:]}")
        return ran

    def refused(
        self,
        says: tuple[str, ...],
        verb: str = "score",
        *options: object,
        code: int = 2,
        file: Path | None = None,
    ) -> str:
        """Run a command that must be refused in one line, with nothing changed."""
        before = self.state()
        ran = self.run(verb, *options, file=file)
        lines = [line for line in ran.err.splitlines() if line and not line.startswith("…")]
        self.must(ran.code == code, f"{verb} ends with {ran.code}, not {code}: {lines[-1:]}")
        self.must(len(lines) == 1, f"{verb} says {len(lines)} lines: {lines[:3]}")
        said = lines[-1] if lines else ""
        for each in says:
            self.must(each in said, f"{verb} does not say {each!r}: {said}")
        self.must(self.state() == before, f"{verb} changed {self.changed(before)}")
        return said

    def accepted(self, verb: str = "score", *options: object, file: Path | None = None) -> Run:
        """Run a command that must be done; what it writes goes where the options say."""
        ran = self.run(verb, *options, file=file)
        self.must(ran.code == 0, f"{verb} ends with {ran.code}: {ran.err.strip()[-300:]}")
        return ran

    def scores(self, *options: object, file: Path | None = None) -> pd.DataFrame:
        """Score elsewhere than into the state, and read the scores."""
        out = self.place / "scores.parquet"
        out.unlink(missing_ok=True)
        self.accepted("score", "--accept", "--out", out, *options, file=file)
        return pd.read_parquet(out)

    @cached_property
    def usual(self) -> pd.DataFrame:
        """Score the company as it is."""
        return self.scores()

    def state(self) -> dict[str, str]:
        """Hash every file of the state folder but locks and logs of open databases."""
        folder = self.company.state
        return {
            str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and not path.name.endswith((".lock", "-shm", "-wal"))
        }

    def changed(self, before: Mapping[str, str]) -> list[str]:
        """Name the files that are not what they were."""
        now = self.state()
        return [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]

    def artifact(self) -> Path:
        """Copy the champion's artifact."""
        own = next((self.company.state / "mlartifacts").rglob("manifest.json")).parent
        copy = self.place / "model"
        shutil.rmtree(copy, ignore_errors=True)
        return Path(shutil.copytree(own, copy))

    def put(self, folder: Path, name: str, content: bytes) -> None:
        """Put a file into an artifact, and make its manifest agree."""
        (folder / name).write_bytes(content)
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["files"][name] = hashlib.sha256(content).hexdigest()
        (folder / "manifest.json").write_text(json.dumps(manifest))

    # -- the service ---------------------------------------------------------------------------

    @cached_property
    def app(self) -> App:
        """Start the service, as `leadscore serve` does, without a socket."""
        limits = Limits(requests_per_second=1e6, burst=10**6)
        return create_app(self.company.service(), {"tests": digest("ls_k")}, limits)

    @cached_property
    def request(self) -> dict[str, Any]:
        """Write a request that is right."""
        return good_request(self.company)[0]

    def ask(
        self,
        method: str,
        path: str,
        content: object = b"",
        *,
        headers: Mapping[str, str] = AUTH,
        app: App | None = None,
    ) -> httpx.Response:
        """Send a request to the service."""

        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(app or self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
                kind = {"Content-Type": "application/json"}
                return await client.request(
                    method,
                    path,
                    content=content,  # type: ignore[arg-type]
                    headers={**kind, **headers},
                )

        answer = asyncio.run(asked())
        self.said.append(f"[{answer.status_code}] {answer.text[:200]}")
        self.must("Traceback" not in answer.text, f"{path} shows a traceback")
        return answer

    def answered(self, status: int, *given: Any, says: str = "", **more: Any) -> httpx.Response:
        """Send a request that must get this status, with one line of cause."""
        answer = self.ask(*given, **more)
        self.must(answer.status_code == status, f"{given[1]}: {answer.status_code}, not {status}")
        detail = str(answer.json().get("detail", "")) if answer.text[:1] == "{" else ""
        self.must(status == 200 or detail, f"{given[1]} names no cause")
        self.must(says in detail, f"{given[1]} does not say {says!r}: {detail}")
        return answer

    def lead_with(self, **attributes: object) -> str:
        """Write the right request with attributes of its lead changed."""
        body = json.loads(json.dumps(self.request))
        body["leads"][0]["attributes"].update(attributes)
        return json.dumps(body)
