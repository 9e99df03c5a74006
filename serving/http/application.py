"""The HTTP application: score, explain, health, readiness, metrics; no lead data in logs."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from pydantic import AwareDatetime
from starlette.exceptions import HTTPException

from data.durations import SECOND
from data.errors import InputError
from serving.http.api import Health, Problem, ScoreRequest, ScoreResponse
from serving.http.guard import App, Guard, Limits, Message, Receive, Scope, Send
from serving.http.page_routes import PageRoutes
from serving.http.score_requests import NoModelError, Service, UnknownLeadError
from serving.people.authenticator import Authenticator

_LOG = logging.getLogger(__name__)
_NUMBER_OF_VALUE: Final = "constrained-float"
"""What pydantic calls the first of the types that a value may have."""
REFUSALS: dict[int | str, dict[str, object]] = {
    400: {"model": Problem, "description": "The body is no JSON."},
    401: {"model": Problem, "description": "No key, or a wrong one."},
    408: {"model": Problem, "description": "The body came too slowly."},
    413: {"model": Problem, "description": "The body is too large."},
    415: {"model": Problem, "description": "The body is compressed."},
    422: {"model": Problem, "description": "A field is wrong; the text names it."},
    429: {"model": Problem, "description": "Too many requests; see Retry-After."},
    503: {"model": Problem, "description": "No model is loaded."},
}


class Metrics:
    """Prometheus counters of the service, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "leadscore_requests", "Requests answered", ["status"], registry=self.registry
        )
        for status in ("200", "500", "503"):  # a first fault is then a rise from 0
            self.requests.labels(status)
        self.seconds = Histogram(
            "leadscore_request_seconds", "Time to answer", registry=self.registry
        )
        self.leads = Counter("leadscore_leads_scored", "Leads scored", registry=self.registry)
        self.model_age = Gauge(
            "leadscore_model_loaded_at", "Unix time of the last model load", registry=self.registry
        )
        self.following = Gauge(
            "leadscore_follower_ok",
            "1 where the last look for a promotion succeeded, 0 where it failed",
            registry=self.registry,
        )
        self.trained_until = Gauge(
            "leadscore_model_trained_until_seconds",
            "Unix time up to which the model that answers knows the data; 0 without a clock",
            registry=self.registry,
        )
        self.scores_as_of = Gauge(
            "leadscore_scores_as_of_seconds",
            "Unix time of the newest night whose scores are held; 0 without any",
            registry=self.registry,
        )
        self.model = Gauge(
            "leadscore_model_info",
            "1 for the version that answers",
            ["version"],
            registry=self.registry,
        )


def create_app(
    service: Service,
    keys: Mapping[str, str],
    limits: Limits | None = None,
    reload_seconds: float = 0,
    authenticator: Authenticator | None = None,
) -> App:
    """Put the application together behind its guard; `reload_seconds` > 0 follows promotions.

    With `authenticator` it also has pages, for people who sign in.
    """
    metrics = Metrics()
    metrics.following.set_function(lambda: float(service.follower != "failing"))
    metrics.trained_until.set_function(lambda: service.trained_until / SECOND)
    metrics.scores_as_of.set_function(lambda: service.scores_as_of / SECOND)
    app = make_routes(service, metrics, reload_seconds, authenticator)
    guard = Guard(app, keys, limits or Limits(), with_pages=authenticator is not None)
    return _measured(guard, metrics)


def make_routes(
    service: Service, metrics: Metrics, reload_seconds: float, authenticator: Authenticator | None
) -> FastAPI:
    """Make the application with all its routes, as it stands behind the guard."""
    # One thread computes: several would only wait for each other's interpreter lock and take twice
    # as long. A body of 1 MB bounds how long one request can keep it.
    computer = ThreadPoolExecutor(1)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(_follow(service, metrics, reload_seconds))
        yield
        task.cancel()

    app = FastAPI(
        title="leadscore",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # another address is another address, and nothing is sent there
        description="Probability, score and reasons for single leads and small batches.",
    )
    _add_problems(app)
    _add_state(app, service, metrics)
    _add_scoring(app, service, metrics, computer)
    if authenticator is not None:
        _add_pages(app, service, authenticator)
    return app


def _add_state(app: FastAPI, service: Service, metrics: Metrics) -> None:
    @app.get("/health", response_model=Health, tags=["state"])
    async def health() -> Health:
        """Answer as long as the process lives."""
        return Health(status="ok")

    @app.get("/ready", response_model=Health, responses={503: REFUSALS[503]}, tags=["state"])
    async def ready() -> Health:
        """Answer once a model is loaded; say whether the looks for a promotion succeed."""
        return Health(
            status="ready",
            model_version=service.current().version,
            loaded_at=datetime.fromtimestamp(service.loaded_at / SECOND, UTC),
            trained_until=datetime.fromtimestamp(service.trained_until / SECOND, UTC)
            if service.trained_until
            else None,
            follower=service.follower,
        )

    @app.get(
        "/metrics",
        response_class=PlainTextResponse,
        responses={401: REFUSALS[401], 429: REFUSALS[429]},
        tags=["state"],
    )
    async def figures() -> Response:
        """Give Prometheus its figures."""
        metrics.model.clear()
        metrics.model.labels(service.current().version).set(1)
        return Response(generate_latest(metrics.registry), media_type="text/plain; version=0.0.4")


def _add_scoring(
    app: FastAPI, service: Service, metrics: Metrics, computer: ThreadPoolExecutor
) -> None:
    async def answered(compute: Callable[[], ScoreResponse]) -> Response:
        answer = await asyncio.get_running_loop().run_in_executor(computer, compute)
        metrics.leads.inc(len(answer.scores))
        return Response(answer.model_dump_json(), media_type="application/json")

    @app.post(
        "/v1/score",
        response_model=ScoreResponse,
        responses=REFUSALS,
        tags=["leads"],
        openapi_extra={"security": [{"key": []}]},
    )
    async def score(request: ScoreRequest) -> Response:
        """Score leads as of a moment, with the reasons in words and whole points."""
        return await answered(lambda: service.score(request))

    @app.get(
        "/v1/leads/{lead_id}/score",
        response_model=ScoreResponse,
        tags=["leads"],
        responses={**REFUSALS, 404: {"model": Problem, "description": "No such lead."}},
        openapi_extra={"security": [{"key": []}]},
    )
    async def score_known(
        lead_id: Annotated[str, Path(max_length=200)],
        as_of: Annotated[AwareDatetime | None, Query()] = None,
    ) -> Response:
        """Score a lead of the store, by default as of the end of its observation."""
        moment = None if as_of is None else int(as_of.timestamp() * SECOND)
        return await answered(lambda: service.score_known(lead_id, moment))


def _add_pages(app: FastAPI, service: Service, authenticator: Authenticator) -> None:
    """Add what people see, sign-in and the pages of the newest list: all in one table of routes."""
    app.router.routes.extend(authenticator.router.routes)
    if service.state is not None:
        pages = PageRoutes(service.project, service.state, authenticator, service.clock)
        app.router.routes.extend(pages.router.routes)


def _add_problems(app: FastAPI) -> None:
    """Turn every refusal into one short JSON line that never repeats what was sent."""

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        status, detail = _say_invalid(error.errors()[0])
        return _problem(status, detail)

    @app.exception_handler(InputError)
    async def wrong_input(_: Request, error: InputError) -> JSONResponse:
        return _problem(422, str(error))

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> JSONResponse:
        return _problem(error.status_code, str(error.detail), error.headers)

    @app.exception_handler(UnknownLeadError)
    async def unknown(_: Request, __: UnknownLeadError) -> JSONResponse:
        return _problem(404, "no such lead is held here")

    @app.exception_handler(Exception)
    async def fault(_: Request, __: Exception) -> JSONResponse:
        return _problem(500, "a fault of ours")

    @app.exception_handler(NoModelError)
    async def no_model(_: Request, error: NoModelError) -> JSONResponse:
        return _problem(503, str(error))


def _say_invalid(first: Mapping[str, Any]) -> tuple[int, str]:
    """Say what pydantic found first, as whoever sent it can mend it: (status, one line)."""
    place = list(first["loc"][1:])
    if first["type"] == "json_invalid":
        return 400, f"the body is no JSON: position {first['loc'][-1]}"
    cause = str(first["msg"])
    if len(place) > 1 and place[-1] == _NUMBER_OF_VALUE:
        place.pop()
        if first["type"] == "float_type":
            cause = "send text, a number, true or false, or null"
    if first["type"] == "too_long":
        most, came = first["ctx"]["max_length"], first["ctx"]["actual_length"]
        cause = f"at most {most:,} in one request, {came:,} came: send them in several"
    return 422, f"{'.'.join(map(str, place)) or 'body'}: {cause}"


def _problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"detail": detail}, status, dict(headers or {}))


def _measured(app: App, metrics: Metrics) -> App:
    """Count every answer, refusals too; a fault of ours is a 500 and a log line without data."""

    async def measured(scope: Scope, receive: Receive, send: Send) -> None:
        started, status = time.perf_counter(), 500

        async def send_noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await app(scope, receive, send_noting_status)
        except Exception as error:
            if scope["type"] != "http":
                raise
            at = traceback.extract_tb(error.__traceback__)[-1]
            _LOG.error("%s at %s:%s", type(error).__name__, at.filename, at.lineno)
        finally:
            if scope["type"] == "http":
                seconds = time.perf_counter() - started
                metrics.requests.labels(str(status)).inc()
                metrics.seconds.observe(seconds)
                _LOG.info(
                    "request",
                    extra={
                        "status": status,
                        "seconds": round(seconds, 6),
                        "route": getattr(scope.get("route"), "path", ""),  # an address holds ids
                        "key": scope.get("leadscore.owner", ""),
                    },
                )

    return measured


async def _follow(service: Service, metrics: Metrics, seconds: float) -> None:
    """Swap the model when another version is promoted; the one that answers stays pinned."""
    metrics.model_age.set_to_current_time()
    service.follower = "ok" if seconds > 0 else "off"
    while seconds > 0:
        await asyncio.sleep(seconds)
        try:
            if await asyncio.to_thread(service.follow_promotion):
                metrics.model_age.set_to_current_time()
            service.follower = "ok"
        except Exception as error:  # the next look may succeed; until then the old model answers
            service.follower = "failing"
            _LOG.warning("the look for a promotion failed: %s", type(error).__name__)
