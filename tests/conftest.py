"""Fixtures of the whole suite, and the rule about missing test tools."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

pytest_plugins = ["tests.support_held_up", "tests.support_postgres", "tests.support_speech"]


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of the machine that runs the tests must not reach them; where models lie is the one exception."""
    for name in [n for n in os.environ if n.startswith("CAMPANA_")]:
        if name not in {"CAMPANA_MODELS_DIR", "CAMPANA_REQUIRE_TEST_TOOLS", "CAMPANA_TEST_POSTGRES_URL"}:
            monkeypatch.delenv(name)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Where CI installs every peer, a skip for a missing one is a failure: CI would otherwise hide it."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.skipped and os.environ.get("CAMPANA_REQUIRE_TEST_TOOLS") == "1" and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"skipped although CAMPANA_REQUIRE_TEST_TOOLS=1: {reason}"


def tool(name: str, package: str) -> str:
    """Path of a foreign peer's program, or a skip that says which Debian package has it."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed: Debian package {package} (scripts/install-test-tools)")
    return path
