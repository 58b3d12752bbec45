"""What is set before the speech libraries are imported, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ASK = """
import os
from bot.speech.environment import SETTINGS, prepare_environment
print(prepare_environment(), *(os.environ[name] for name in SETTINGS))
"""


def _ask(before: str = "", **environment: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", before + ASK],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        env=environment,
    )
    return done.stdout.split()


def test_one_thread_a_library_and_no_hub() -> None:
    assert _ask() == ["True", "1", "1", "1"]


@pytest.mark.parametrize("value", ["4"])
def test_what_the_user_has_set_stays(value: str) -> None:
    assert _ask(OMP_NUM_THREADS=value) == ["True", "1", value, "1"]


def test_coming_too_late_is_told() -> None:
    assert _ask(before="import numpy") == ["False", "1", "1", "1"]
