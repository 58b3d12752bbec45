"""Fixtures of the whole suite, and the rule about missing test tools."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from typing import Any

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


#: What the end of a failed test may take before it is broken off, in seconds.
_END_OF_A_FAILURE_S = 60.0


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """A failed test's end has its own deadline: pytest-timeout stops its clock at a failure, and what such a test
    left open can hold its event loop for ever."""

    def broken_off(_signal: int, _frame: Any) -> None:
        pytest.fail(
            f"{item.nodeid}: the end of this failed test took more than {_END_OF_A_FAILURE_S:.0f} s", pytrace=False
        )

    if signal.getitimer(signal.ITIMER_REAL)[0] > 0:
        yield
        return
    before = signal.signal(signal.SIGALRM, broken_off)
    signal.setitimer(signal.ITIMER_REAL, _END_OF_A_FAILURE_S)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """In CI a failure is told when it happens: a run that is broken off would tell nothing at its end."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if os.environ.get("CI") == "true" and reporter is not None:
        config.pluginmanager.register(_FailuresAtOnce(reporter), "failures-at-once")


class _FailuresAtOnce:
    def __init__(self, reporter: Any) -> None:
        self._reporter = reporter

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._reporter.write_line(f"\nFAILED {report.nodeid} ({report.when})\n{report.longreprtext}", flush=True)


def tool(name: str, package: str) -> str:
    """Path of a foreign peer's program, or a skip that says which Debian package has it."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed: Debian package {package} (scripts/install-test-tools)")
    return path
