"""Voices by settings: one cache for all of them within its bounds, espeak told of, and a folder that is shared."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bot.speech.phrases import Phrase, PhraseCache
from bot.speech.pool import WorkPool
from campana.local_ears import open_local_ears
from campana.settings import ModelSettings, Settings
from campana.speech import Speech
from campana.speech_choice import SpeechUnavailable
from models.store import ModelStore
from tests.conftest import tool

RATE = 8000


@pytest.fixture
async def speech(tmp_path: Path) -> AsyncIterator[Speech]:
    """No model is on this machine."""
    tool("espeak-ng", "espeak-ng")
    models = ModelSettings(voices={"en": "espeak-ng:en"}, phrase_memory_mb=1, phrase_disk_mb=1)
    settings = Settings(data_folder=tmp_path, models=models)
    async with contextlib.AsyncExitStack() as stack:
        pool = WorkPool(2)
        stack.push_async_callback(pool.aclose)
        yield Speech(settings, ModelStore(tmp_path / "models"), pool, stack, open_local_ears)


async def test_a_voice_that_is_second_best_is_opened_once_and_told_once(speech: Speech) -> None:
    with capture_logs() as logs:
        first = await speech.speaker("vi")
        assert await speech.speaker("vi-VN") is first
    told = [entry["what"] for entry in logs if entry["event"] == "speech.second_best"]
    assert len(told) == 1
    assert "espeak-ng:vi speaks, which sounds like a machine" in told[0]
    assert await first.synthesise("Xin chào.", rate_hz=RATE)
    with capture_logs() as logs:
        assert await (await speech.speaker("en")).synthesise("Hello.", rate_hz=RATE)
    assert logs == []
    with pytest.raises(SpeechUnavailable, match="none speaks fr"):
        await speech.speaker("fr")


async def test_all_voices_share_one_cache_within_the_settings_bounds(speech: Speech, tmp_path: Path) -> None:
    english, vietnamese = await speech.speaker("en"), await speech.speaker("vi")
    lines = [await english.synthesise("Hello.", rate_hz=RATE), await vietnamese.synthesise("Xin chào.", rate_hz=RATE)]
    assert speech.cache.held_bytes == sum(map(len, lines))
    second = bytes(200_000)
    for at in range(30):
        speech.cache.put(Phrase("a", str(at), 1.0, RATE), second)
        speech.cache.store(Phrase("a", str(at), 1.0, RATE), second)
        assert speech.cache.held_bytes <= 1024 * 1024
    assert speech.cache.held_bytes > 800_000
    # A process looks after the folder whenever it has added a megabyte.
    assert speech.cache.disk_bytes() <= 2 * 1024 * 1024 + 300_000
    speech.cache.prune()
    assert speech.cache.disk_bytes() <= 1024 * 1024
    assert english.cached("Hello.", RATE) is None
    assert await english.synthesise("Hello.", rate_hz=RATE)


WRITER = """
import random, sys
from pathlib import Path
from bot.speech.phrases import Phrase, PhraseCache

seed, folder = int(sys.argv[1]), Path(sys.argv[2])
cache = PhraseCache(folder, memory_bytes=0, disk_bytes=200_000, prune_every_bytes=50_000)
draw = random.Random(seed)
for _ in range(300):
    at = draw.randrange(40)
    phrase, pcm = Phrase("a", str(at), 1.0, 8000), bytes([at]) * 10_000
    found = cache.get(phrase)
    assert found in (None, pcm), "half a line, or another one"
    if found is None:
        cache.store(phrase, pcm)
cache.prune()
"""


def test_processes_that_write_and_prune_one_folder_never_see_half_a_line(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER]
    root = Path(__file__).parents[2]
    writers = [
        subprocess.Popen([*command, str(seed), str(tmp_path)], cwd=root, stderr=subprocess.PIPE, text=True)
        for seed in range(3)
    ]
    for writer in writers:
        _, error = writer.communicate(timeout=120)
        assert writer.returncode == 0, error
    left = PhraseCache(tmp_path, disk_bytes=200_000)
    left.prune()
    assert 100_000 < left.disk_bytes() <= 200_000
    assert all(path.suffix == ".pcm" for path in tmp_path.iterdir())
    kept = [left.get(Phrase("a", str(at), 1.0, 8000)) for at in range(40)]
    assert sum(pcm is not None for pcm in kept) == len(list(tmp_path.iterdir()))
