"""Fixtures of the acceptance tests: a user's folder, and the customers' spoken lines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.speech.pool import WorkPool
from bot.speech.speaking import PiperSpeaker
from models import ModelStore
from telephony.simulator import load_personas, render
from tests.support_acceptance import Site, require_models


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A folder with no settings yet."""
    folder = tmp_path / "site"
    folder.mkdir()
    return Site(folder)


@pytest.fixture(scope="session")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Speaks every line of a personas' file with the real voice; the folder of the recordings."""
    folder = tmp_path_factory.mktemp("customers")

    def speak(personas: str) -> Path:
        require_models("tts-en-joe")
        file = folder / "personas.yaml"
        file.write_text(personas, encoding="utf-8")
        asyncio.run(_render(file, folder))
        return folder

    return speak


async def _render(personas: Path, folder: Path) -> None:
    import onnxruntime

    # The voice draws noise: the same in every run of the suite.
    onnxruntime.set_seed(7)
    pool = WorkPool(1)
    try:
        speaker = PiperSpeaker.load(ModelStore().path("tts-en-joe"), pool=pool)

        async def synthesise(text: str, rate_hz: int, speed: float) -> bytes:
            return await speaker.synthesise(text, rate_hz=rate_hz, speed=speed)

        await render(load_personas(personas), synthesise, folder)
        await speaker.aclose()
    finally:
        await pool.aclose()
