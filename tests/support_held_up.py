"""Tests that hold calls in real time, on a machine that stood still meanwhile.

A host that takes a machine's cores away for half a second tears audio, and no test can tell that from a fault of ours.
So a clock of its own runs beside the tests. A test of real time that fails while that clock was late fails as `HeldUp`,
which says by how much, and is run again, at most twice; the report names every such test as rerun. A failure on a
machine that kept time is never repeated.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

#: Folders whose tests talk with real peers in real time.
_REAL_TIME = ("acceptance", "browser", "contract", "integration")
_RERUNS = 2
#: A machine that is only busy is late by less.
_LATE_MS = 150
_TICK_S = 0.01


class HeldUp(AssertionError):
    """A test failed on a machine that stood still; the failure itself is the cause."""


class _Watch:
    """Notes how late a thread that wants to wake every 10 ms comes at worst."""

    def __init__(self) -> None:
        self.worst_ms = 0.0
        threading.Thread(target=self._run, name="held-up", daemon=True).start()

    def _run(self) -> None:
        due = time.monotonic() + _TICK_S
        while True:
            time.sleep(max(0.0, due - time.monotonic()))
            self.worst_ms = max(self.worst_ms, (time.monotonic() - due) * 1000)
            due = time.monotonic() + _TICK_S


_watch: _Watch | None = None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of real time."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here) and item.path.relative_to(here).parts[0] in _REAL_TIME:
            item.add_marker(pytest.mark.flaky(reruns=_RERUNS, only_rerun=HeldUp))


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    """Tell a failure of the machine from one of ours."""
    if pyfuncitem.get_closest_marker("flaky") is None:
        return (yield)  # type: ignore[return-value]
    global _watch  # noqa: PLW0603 - one clock a process, begun with the first such test
    _watch = _watch or _Watch()
    _watch.worst_ms = 0.0
    try:
        return (yield)  # type: ignore[return-value]
    except Exception as error:
        if _watch.worst_ms < _LATE_MS:
            raise
        late_ms = round(_watch.worst_ms)
        raise HeldUp(f"the machine stood still for {late_ms} ms: {type(error).__name__}: {error}") from error
