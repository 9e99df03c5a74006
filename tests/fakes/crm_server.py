"""A CRM that fails on purpose: real HTTP on loopback, every fault of the design, a strict journal.

It speaks the protocol of serving.crm.rest. Its state is what the proofs look at: every applied
write is a line of the journal with what was there before, so that lost rows, duplicate effects
and stale overwrites are counted by the CRM and not by the program under test.
"""

from __future__ import annotations

import json
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from typing import Any

FAULTS = (
    "429",
    "429 retry-after",
    "500",
    "503",
    "time-out before commit",
    "time-out after commit",
    "late commit",
    "reset mid-body",
    "reset after commit",
    "truncated JSON",
    "invalid JSON",
    "slow",
    "207 reordered",
    "207 missing",
    "207 extra",
    "207 partial lock",
    "401",
    "403 field",
    "413",
    "connection dropped",
    "502 after commit",
    "human edit",
    "human override",
    "delete",
    "merge",
    "trimmed values",
    "convert",
)
"""Faults that the server makes by itself; kills, pauses, clocks and disks are the harness's."""


@dataclass
class Lead:
    values: dict[str, Any] = field(default_factory=dict)
    version: int = 1
    override: bool = False
    closed: bool = False
    merged_into: str | None = None
    human: bool = False  # a person wrote last


@dataclass
class Plan:
    """Which faults come with which probability, by which seed."""

    seed: int = 0
    rate: float = 0.0
    faults: tuple[str, ...] = ()
    invalid: tuple[str, ...] = ()  # leads that the CRM never accepts
    rejects_batch: bool = True  # an invalid row spoils its batch, else it is answered by row
    trims: bool = False
    bans_field: str | None = None  # a schema change: this field is unknown now
    bans_after: int = 0  # requests that come before the change
    versions: bool = True  # rows bear versions, and a write can be bound to one
    stall_s: float = 0.5  # longer than the client waits


class State:
    """Leads, journal and plan; one lock, so that a write is one transaction."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.reset({"leads": [], "plan": {}})

    def reset(self, body: dict[str, Any]) -> None:
        self.leads = {lead: Lead() for lead in body["leads"]}
        self.journal: list[dict[str, Any]] = []
        self.created = self.disturbed = 0
        self.tokens: set[str] = set()
        self.fired: dict[str, int] = {}
        self.requests = self.rows_received = 0
        self.epoch = getattr(self, "epoch", 0) + 1
        self.replan(body["plan"])

    def replan(self, plan: dict[str, Any]) -> None:
        self.plan = Plan(**plan)
        self.random = random.Random(self.plan.seed)

    def dump(self) -> dict[str, Any]:
        return {
            "leads": {lead: asdict(each) for lead, each in self.leads.items()},
            "journal": self.journal,
            "created": self.created,
            "fired": self.fired,
            "requests": self.requests,
            "rows": self.rows_received,
        }

    def fault(self) -> str:
        plan = self.plan
        if not plan.faults or self.random.random() >= plan.rate:
            return ""
        chosen = self.random.choice(plan.faults)
        self.fired[chosen] = self.fired.get(chosen, 0) + 1
        return chosen

    def disturb(self, what: str) -> None:
        """Let a person or another process change a lead between a read and a write."""
        open_leads = [
            name
            for name, each in self.leads.items()
            if not (each.human or each.override or each.closed or each.merged_into)
        ]
        if not open_leads or self.disturbed >= 3:
            return
        self.disturbed += 1
        name = self.random.choice(open_leads)
        lead = self.leads[name]
        lead.version += 1
        if what == "human edit":
            if lead.values.get("score") is None:
                lead.override = True  # nothing of ours to edit yet: the person sets the override
            else:
                lead.values = {**lead.values, "band": "Z", "score": 101}
            lead.human = True
        elif what == "human override":
            lead.override = lead.human = True
        elif what == "delete":
            del self.leads[name]
        elif what == "merge":
            lead.merged_into = "elsewhere"
        else:
            lead.closed = True

    def read(self, ids: list[str]) -> list[dict[str, Any]]:
        return [
            {
                "id": name,
                "version": self.leads[name].version if self.plan.versions else None,
                "values": self.leads[name].values,
                "override": self.leads[name].override,
                "closed": self.leads[name].closed,
                "merged_into": self.leads[name].merged_into,
            }
            for name in ids
            if name in self.leads
        ]

    def write(self, rows: list[dict[str, Any]], locked: frozenset[str]) -> list[dict[str, Any]]:
        return [self._write(row, locked) for row in rows]

    def _write(self, row: dict[str, Any], locked: frozenset[str]) -> dict[str, Any]:
        name, lead = row["id"], self.leads.get(row["id"])
        if name in self.plan.invalid:
            return {"id": name, "status": "rejected", "error": "reasons: not valid here"}
        if lead is None or lead.merged_into:
            return {"id": name, "status": "gone"}
        bound = row.get("version")
        if name in locked or (bound is not None and str(bound) != str(lead.version)):
            return {"id": name, "status": "conflict"}
        values = dict(row["values"])
        if self.plan.trims:
            values["reasons"] = (values.get("reasons") or "")[:8] or None
            values["probability"] = round(values["probability"] or 0.0, 2)
        self.journal.append(
            {
                "lead": name,
                "as_of": values["as_of"],
                "score": values["score"],
                "over": lead.values.get("as_of"),
                "model": values["model_version"],
                "human": lead.human or lead.override,
                "closed": lead.closed,
            }
        )
        lead.values, lead.version = values, lead.version + 1
        version = lead.version if self.plan.versions else None
        return {"id": name, "status": "written", "version": version, "values": values}


class Handler(BaseHTTPRequestHandler):
    """One request, with whatever fault the plan has for it."""

    protocol_version = "HTTP/1.1"
    state: State
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        if len(raw) < length:
            self.close_connection = True
            return
        body = json.loads(raw)
        state, path = self.state, self.path
        if path.startswith("/control/"):
            self.reply(200, self.control(path, body))
        elif path == "/login":
            token = f"t{time.monotonic_ns()}"
            with state.lock:
                state.tokens.add(token)
            self.reply(200, {"token": token})
        else:
            self.serve(path, body)

    def control(self, path: str, body: dict[str, Any]) -> Any:
        state = self.state
        with state.lock:
            if path == "/control/reset":
                state.reset(body)
            elif path == "/control/plan":
                state.replan(body)
            elif path == "/control/disturb":
                state.disturb(body["what"])
            return state.dump() if path == "/control/dump" else {}

    def serve(self, path: str, body: dict[str, Any]) -> None:
        state = self.state
        with state.lock:
            state.requests += 1
            fault, epoch = state.fault(), state.epoch
            known = self.headers.get("Authorization", "")[7:] in state.tokens
            if fault == "401":
                state.tokens.clear()
                known = False
            if fault in ("human edit", "human override", "delete", "merge", "convert"):
                state.disturb(fault)
        if not known:
            self.reply(401, {"error": "token expired"})
        elif not self.fails_before(fault, path, body):
            self.answer(fault, path, body, epoch)

    def fails_before(self, fault: str, path: str, body: dict[str, Any]) -> bool:
        """Fail without applying anything; say whether it did."""
        state = self.state
        if fault in ("429", "429 retry-after", "503"):
            headers = {"Retry-After": "0.01"} if fault == "429 retry-after" else {}
            self.reply(int(fault[:3]), {"error": "later"}, headers)
        elif fault == "500":
            self.reply(500, {"error": "oops"})
        elif fault == "403 field":
            self.reply(403, {"error": "field score: no permission"})
        elif fault == "413" and len(body.get("leads", body.get("ids", ""))) > 1:
            self.reply(413, {"error": "too large"}) if path == "/leads/write" else self.reply(
                503, {}
            )
        elif fault == "time-out before commit":
            time.sleep(state.plan.stall_s)
            self.close_connection = True
        elif fault == "connection dropped":
            self.hang_up()
        else:
            return False
        return True

    def answer(self, fault: str, path: str, body: dict[str, Any], epoch: int) -> None:
        state = self.state
        if fault == "late commit":  # the client has given up by the time this is applied
            time.sleep(state.plan.stall_s)
        if path == "/leads/read":
            with state.lock:
                rows = state.read(body["ids"])
            status = 200
        elif path == "/leads/create":  # only a broken build asks for this
            with state.lock:
                status, rows = 201, [{"id": each["id"]} for each in body["leads"]]
                state.created += sum(
                    each["id"] in state.leads and state.leads[each["id"]].values != {}
                    for each in body["leads"]
                )
                for each in body["leads"]:
                    state.leads.setdefault(each["id"], Lead()).values = each["values"]
        else:
            status, rows = self.write(body["leads"], fault, epoch)
        if fault == "slow":
            time.sleep(0.01)
        if fault in ("time-out after commit", "late commit"):
            time.sleep(state.plan.stall_s)
            self.close_connection = True
        elif fault == "reset after commit":
            self.hang_up()
        elif fault == "502 after commit":
            self.reply(502, {"error": "bad gateway"})
        elif status >= 400:
            self.reply(status, {"error": "row not valid"})
        else:
            self.send_rows(fault, rows)

    def write(
        self, rows: list[dict[str, Any]], fault: str, epoch: int
    ) -> tuple[int, list[dict[str, Any]]]:
        state = self.state
        with state.lock:
            if epoch != state.epoch:
                return 200, []  # a request of an earlier schedule
            plan = state.plan
            changed = plan.bans_field is not None and state.requests > plan.bans_after
            if changed and any(plan.bans_field in each["values"] for each in rows):
                state.fired["schema change"] = state.fired.get("schema change", 0) + 1
                return 400, []
            if state.plan.rejects_batch and any(each["id"] in state.plan.invalid for each in rows):
                return 400, []
            state.rows_received += len(rows)
            if fault == "207 missing":  # not mentioned because not done
                rows = rows[:-1]
            locked = frozenset(
                each["id"]
                for each in rows
                if fault == "207 partial lock" and state.random.random() < 0.5
            )
            return 207 if fault.startswith("207") else 200, state.write(rows, locked)

    def send_rows(self, fault: str, rows: list[dict[str, Any]]) -> None:
        rows = list(rows)
        if fault.startswith("207"):
            self.state.random.shuffle(rows)
        if fault == "207 extra":
            rows.append({"id": "nobody", "status": "written", "version": 1, "values": {}})
        text = json.dumps({"results": rows})
        if fault == "truncated JSON":
            self.reply_text(200, text[: len(text) // 2])
        elif fault == "invalid JSON":
            self.reply_text(200, "<html>proxy</html>")
        elif fault == "reset mid-body":
            self.reply_text(200, text[: len(text) // 2], promised=len(text))
            self.hang_up()
        else:
            self.reply_text(200, text)

    def reply(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        self.reply_text(status, json.dumps(body), headers=headers)

    def reply_text(
        self,
        status: int,
        text: str,
        *,
        promised: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        data = text.encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(promised or len(data)))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)
            self.wfile.flush()
        except OSError:
            self.close_connection = True

    def hang_up(self) -> None:
        """Reset the connection, so that the client sees it at once."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True
        self.wfile = open("/dev/null", "wb")  # noqa: SIM115  # the handler flushes once more


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients are killed on purpose: their broken connections are no news."""


def serve(ready: Any) -> None:
    """Serve for ever in this process; send the port through the pipe."""
    Handler.state = State()
    server = Server(("127.0.0.1", 0), Handler)
    ready.send(server.server_address[1])
    server.serve_forever(poll_interval=0.05)


@contextmanager
def running() -> Iterator[str]:
    """Run the server in a process of its own; give its address."""
    context = get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.kill()
        process.join()
