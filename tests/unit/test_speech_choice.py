"""Which voice and ears a bot gets, and what is told when they are second best."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from campana.cli.models import needed
from campana.errors import SettingsError
from campana.settings import ModelSettings, ServiceSettings, ServicesSettings, Settings, load_settings
from campana.speech_choice import Choice, SpeechUnavailable, ears_for, voice_for
from models.store import ModelStore

SERVICE = "pipecat.services.openai.tts.OpenAITTSService"


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """No model is on this machine."""
    return ModelStore(tmp_path / "models")


def settings(*, languages: tuple[str, ...] = (), **models: object) -> Settings:
    hosted = ServiceSettings(name="eleven", class_path=SERVICE, languages=languages)
    return Settings(
        models=ModelSettings(**models),  # type: ignore[arg-type]
        services=ServicesSettings(tts=(hosted,), stt=(hosted.model_copy(update={"name": "deep"}),)),
    )


@pytest.mark.parametrize(
    ("models", "language", "own", "name"),
    [
        ({}, "en", None, "tts-en-joe"),
        ({}, "en-GB", None, "tts-en-joe"),
        ({}, "vi", "eleven", "eleven"),
        ({"speaking": "eleven"}, "vi", None, "eleven"),
        ({"voices": {"vi": "eleven"}}, "vi", None, "eleven"),
        ({"voices": {"vi": "espeak-ng:vi"}}, "vi-VN", None, "espeak-ng:vi"),
        ({"voices": {"en": "eleven", "en-GB": "tts-en-joe"}}, "en-GB", None, "tts-en-joe"),
        ({"voices": {"en": "eleven"}}, "en", "tts-en-joe", "tts-en-joe"),
    ],
)
def test_the_bots_own_voice_goes_before_its_languages_and_that_before_the_usual(
    store: ModelStore, models: dict[str, object], language: str, own: str | None, name: str
) -> None:
    assert voice_for(settings(**models), store, language, own) == Choice(name)


@pytest.mark.parametrize("models", [{}, {"voices": {"vi": "tts-vi"}}])
def test_espeak_speaks_where_nothing_else_can_be_had_and_is_told(store: ModelStore, models: dict[str, object]) -> None:
    choice = voice_for(settings(**models), store, "vi")
    assert choice.name == "tts-vi"
    assert choice.warning is not None
    assert re.search(r"tts-vi is not on this machine, so espeak-ng:vi speaks, which sounds like a m", choice.warning)
    assert "campana models fetch tts-vi" in choice.warning


def test_a_service_for_the_language_goes_before_espeak(store: ModelStore) -> None:
    assert voice_for(settings(languages=("vi",)), store, "vi") == Choice("eleven")


def test_a_voice_of_another_language_is_told(store: ModelStore) -> None:
    choice = voice_for(settings(), store, "vi", "tts-en-joe")
    assert choice == Choice("tts-en-joe", "voice tts-en-joe is for en, and the bot speaks vi")


@pytest.mark.parametrize(
    ("language", "own", "message"),
    [
        ("fr", None, r'voice: none speaks fr; name one under \[models\.voices\], fr = "…"'),
        ("en", "anna", r"voice: no model is called 'anna'; known: tts-en-joe, tts-vi, and the services eleven"),
        ("en", "stt-base", r"known: tts-en-joe, tts-vi"),
    ],
)
def test_no_voice_is_told_with_a_remedy(store: ModelStore, language: str, own: str | None, message: str) -> None:
    with pytest.raises(SpeechUnavailable, match=message):
        voice_for(settings(), store, language, own)


def test_ears_are_the_bots_own_its_languages_or_the_usual(store: ModelStore) -> None:
    chosen = settings(ears={"en": "stt-tiny-en", "vi": "deep"})
    assert ears_for(chosen, store, "en-US").name == "stt-tiny-en"
    assert ears_for(chosen, store, "vi").name == "deep"
    assert ears_for(chosen, store, "fr").name == "stt-base"
    assert ears_for(chosen, store, "en", "stt-small").name == "stt-small"
    with pytest.raises(SpeechUnavailable, match=r"ears: stt-tiny-en does not know the language vi; .*models\.ears"):
        ears_for(settings(), store, "vi", "stt-tiny-en")
    with pytest.raises(SpeechUnavailable, match="known: stt-base, stt-tiny-en, stt-small, and the services deep"):
        ears_for(settings(), store, "vi", "tts-vi")


def test_only_models_of_this_machine_are_fetched() -> None:
    chosen = settings(
        speaking="eleven", voices={"vi": "tts-vi", "fr": "espeak-ng:fr"}, ears={"en": "stt-tiny-en", "vi": "deep"}
    )
    assert needed(chosen) == ["stt-base", "stt-tiny-en", "tts-vi", "vad", "turn"]


FILE = """
[models]
phrase_folder = "lines"
phrase_memory_mb = 16

[models.voices]
vi = "remote"

[[services.tts]]
name = "remote"
class = "bot.speech.openai_voice.OpenAICompatibleTTSService"
arguments = { base_url = "http://127.0.0.1:1/v1", api_key = "none" }
settings = { model = "kokoro", voice = "af_bella" }
"""


def test_services_and_voices_are_read_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "campana.toml"
    file.write_text(FILE, encoding="utf-8")
    read = load_settings(file)
    (service,) = read.services.tts
    assert (service.name, service.settings["voice"], service.at_once) == ("remote", "af_bella", 4)
    assert service.class_path.endswith("OpenAICompatibleTTSService")
    assert read.models.voices == {"vi": "remote"}
    assert read.phrase_folder == tmp_path / "lines"


def test_a_secret_in_the_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "campana.toml"
    file.write_text(FILE.replace('"none"', '"sk-1234567890"'), encoding="utf-8")
    with pytest.raises(
        SettingsError, match=r'api_key is a secret; .* under secrets, \{ api_key = "VARIABLE" \}'
    ) as told:
        load_settings(file)
    assert "sk-1234567890" not in str(told.value)
