"""The real fast model takes over for the real usual one while utterances wait, and only for English."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bot.bench import telephone
from bot.speech.listening import WhisperListener
from bot.speech.pool import WorkPool
from bot.speech.relief import Relief, ReliefParams
from bot.speech.speaking import PiperSpeaker
from campana.local_ears import open_local_ears
from campana.settings import ModelSettings
from models.errors import UnknownModel
from models.store import ModelStore
from tests.support_speech import model_folder

pytestmark = pytest.mark.speech


async def test_utterances_that_wait_are_heard_by_the_fast_model(joe_voice: PiperSpeaker) -> None:
    sound = telephone(await joe_voice.synthesise("I will pay on Friday.", rate_hz=8000))
    pool = WorkPool(1)
    ears = WhisperListener.load(
        model_folder("stt-base"),
        pool=pool,
        fast_dir=model_folder("stt-tiny-en"),
        relief=Relief(ReliefParams(above_ms=1, below_ms=0, calm_s=600.0)),
    )
    first, *rest = await asyncio.gather(*(ears.transcribe(sound, 8000) for _ in range(3)))
    assert first.model in ("stt-base", "stt-tiny-en")
    assert {heard.model for heard in rest} == {"stt-tiny-en"}
    assert all("pay on friday" in heard.text.lower() for heard in (first, *rest))
    vietnamese = await asyncio.gather(*(ears.in_language("vi").transcribe(sound, 8000) for _ in range(2)))
    assert {heard.model for heard in vietnamese} == {"stt-base"}
    await pool.aclose()


async def test_ears_go_without_a_fast_model_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "stt-base").symlink_to(model_folder("stt-base"))
    pool = WorkPool(1)
    with capture_logs() as logs:
        ears = await asyncio.to_thread(open_local_ears, ModelStore(tmp_path), ModelSettings(), pool)
    assert [entry["event"] for entry in logs] == ["ears.no_fast_model"]
    assert (await ears.transcribe(bytes(16000), 8000)).model == "stt-base"
    with pytest.raises(UnknownModel, match="stt-typo"):
        open_local_ears(ModelStore(tmp_path), ModelSettings(listening_fast="stt-typo"), pool)
    await pool.aclose()
