"""What the OpenAPI document promises, tried by Schemathesis against the running application."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from serving.http.application import create_app
from serving.http.guard import Limits
from serving.http.keys import digest
from serving.http.score_requests import Service

KEY = "ls_fuzz"
OPERATIONS = (
    ("GET", "/health"),
    ("GET", "/ready"),
    ("GET", "/metrics"),
    ("POST", "/v1/score"),
    ("GET", "/v1/leads/{lead_id}/score"),
)


@pytest.fixture(scope="module")
def api(company):
    service = Service(company.session.project, company.session.registry)
    service.load()
    service.hold(company.reading)
    limits = Limits(requests_per_second=1e6, burst=10**6)
    app = create_app(service, {"fuzz": digest(KEY)}, limits)
    headers = {"Authorization": f"Bearer {KEY}"}
    return schemathesis.openapi.from_asgi("/openapi.json", app, headers=headers)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_the_service_keeps_what_its_document_promises(api, method, path):
    """Status codes, media types and bodies are the declared ones, whatever is sent."""

    @settings(max_examples=30, suppress_health_check=list(HealthCheck))
    @given(case=api[path][method].as_strategy())
    def holds(case):
        case.call_and_validate(
            headers={"Authorization": f"Bearer {KEY}"},
            # which columns a lead needs is the project file's business, not the document's
            excluded_checks=[positive_data_acceptance],
        )

    holds()
