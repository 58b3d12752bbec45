"""How many calls are proposed, from what a turn costs, and what that is measured with."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot.capacity import Capacity, Costs, cores_here, measure, propose
from bot.speech.voices import PiperVoice
from bot.speech.whisper import Whisper
from campana.capacity import too_many
from campana.settings import NodeSettings, Settings
from tests.support_speech import model_folder

#: As measured on the two cores of the figures in docs/explanation/sizing.md.
BASE = Costs(recognition=165.0, turn_end=46.0, voice_activity=3.0, synthesis=222.0)


@pytest.mark.parametrize(
    ("costs", "cores", "threads", "cached", "uncached"),
    [
        (BASE, 2, 2, 14, 8),
        (BASE, 4, 4, 28, 16),
        # Recognition has no more than the threads, whatever cores there are.
        (BASE, 16, 2, 21, 10),
        (BASE, 0.5, 2, 3, 2),
        # Speech on other machines leaves the pipelines and the judging of turns.
        (Costs(None, 46.0, 3.0, None), 2, 2, 29, 29),
        (Costs(2000.0, 46.0, 3.0, 5000.0), 1, 1, 1, 1),
    ],
    ids=["two cores", "four cores", "few threads", "half a core", "speech elsewhere", "far too slow"],
)
def test_the_proposal_follows_from_costs_cores_and_threads(
    costs: Costs, cores: float, threads: int, cached: int, uncached: int
) -> None:
    found = propose(costs, cores=cores, threads=threads)
    assert (found.cached, found.uncached) == (cached, uncached)


def test_the_user_is_warned_of_many_more_calls_than_that() -> None:
    found = Capacity(2.0, 2, BASE, cached=14, uncached=8)
    assert not too_many(Settings(node=NodeSettings(calls=17)), found)
    assert too_many(Settings(node=NodeSettings(calls=18)), found)


def test_a_containers_quota_counts(tmp_path: Path) -> None:
    quota = tmp_path / "cpu.max"
    machine = len(os.sched_getaffinity(0))
    for text, cores in (("50000 100000\n", 0.5), ("max 100000\n", machine), ("9000000 100000\n", machine)):
        quota.write_text(text, encoding="ascii")
        assert cores_here(quota) == cores
    assert cores_here(tmp_path / "none") == machine


@pytest.mark.speech
def test_a_turn_is_measured_with_the_real_models() -> None:
    ears = Whisper.load(model_folder("stt-tiny-en"), workers=1)
    voice = PiperVoice.load(model_folder("tts-en-joe"))
    found = measure(ears=ears, language="en", voice=voice, threads=2, runs=1)
    assert found.costs.recognition is not None
    assert found.costs.synthesis is not None
    assert min(found.costs.recognition, found.costs.turn_end, found.costs.synthesis) > 1.0
    assert found.cached >= found.uncached >= 1
    elsewhere = measure(ears=None, language="en", voice=None, threads=2, runs=1)
    assert (elsewhere.costs.recognition, elsewhere.costs.synthesis) == (None, None)
    assert elsewhere.cached == elsewhere.uncached >= 1
