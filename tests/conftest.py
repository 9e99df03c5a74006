"""What all tests share: one clock zone, repeatable examples, real data only where it is named."""

from __future__ import annotations

import os
import time

import pytest
from hypothesis import HealthCheck, settings

os.environ["TZ"] = "UTC"
time.tzset()
os.environ.setdefault("COLUMNS", "120")

settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("repeatable")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs the real data sets where nobody says where they are."""
    if os.environ.get("LEADSCORE_DATA"):
        return
    skip = pytest.mark.skip(reason="LEADSCORE_DATA does not name the folder of real data sets")
    for item in items:
        if item.get_closest_marker("real_data"):
            item.add_marker(skip)
