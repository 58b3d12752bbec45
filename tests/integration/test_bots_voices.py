"""A stored bot with voice and ears on another machine and a recorded line, from its campaign file to the call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from bot.errors import BotError
from bot.loopback import LoopbackCall
from bot.outcome import ConversationResult, Job, OptOut
from bot.speech.errors import HostedSpeechFailed
from bot.speech.hosted_ears import HostedListener
from bot.speech.listening import WhisperListener
from bot.speech.phrases import Phrase
from bot.speech.sound import from_pcm
from bot.speech.speaking import PiperSpeaker
from campana.application import App, open_app
from campana.cli.main import app as command
from campana.definition import DefinitionError, load_definition
from campana.enrolment import enrol
from campana.settings import ModelSettings, ServiceSettings, ServicesSettings, Settings, TrunkSettings
from campana.voicebots import Voicebots, open_voicebots
from storage.tables import bots
from telephony.errors import MediaClosed
from tests.support_acceptance import DEMO
from tests.support_openai_speech import KEY, SpeechServer, speech_server
from tests.unit.test_recorded_lines import tone, write_wav

pytestmark = pytest.mark.speech

RATE = 8000
WAIT_S = 60.0
SCRIPT = """
script: pay
codes: {AG: {title: agrees, class: success, result: Completed}}
silence: {after_ms: 20000, say: "Are you there?", goto: bye}
steps:
  greeting:
    - say: {text: "Welcome to Bell Finance.", audio: hello.wav}
    - listen: {ask: "Will you pay?", intents: {"yes": agreed, "no": bye}, else: bye}
  agreed: [{code: AG}, {goto: bye}]
  bye: [{say: Goodbye.}, end]
"""
CAMPAIGN = f"""
name: Pay
code: PAY
script: pay.yaml
tariff: {DEMO / "tariff.yaml"}
trunk: main
rehearsal: true
bot: {{name: Joe, voice: far, speed: 1.1}}
"""


def settings_for(server: SpeechServer, folder: Path) -> Settings:
    def service(name: str, path: str, model: dict[str, str]) -> ServiceSettings:
        arguments, secrets = {"base_url": server.url}, {"api_key": "SPEECH_KEY"}
        return ServiceSettings(
            name=name, class_path=path, arguments=arguments, settings=model, secrets=secrets, timeout_s=WAIT_S
        )

    voice = service("far", "bot.speech.openai_voice.OpenAICompatibleTTSService", {"model": "tts-1", "voice": "joe"})
    ears = service("far-ears", "pipecat.services.openai.stt.OpenAISTTService", {"model": "whisper-1"})
    return Settings(
        data_folder=folder / "data",
        models=ModelSettings(listening="far-ears", phrase_memory_mb=1),
        services=ServicesSettings(tts=(voice,), stt=(ears,)),
        trunks=(TrunkSettings(name="main", host="127.0.0.1"),),
    )


@pytest.fixture
async def server(
    joe_voice: PiperSpeaker, base_listener: WhisperListener, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[SpeechServer]:
    monkeypatch.setenv("SPEECH_KEY", KEY)
    async with speech_server(joe_voice, base_listener) as opened:
        yield opened
    await joe_voice.aclose()


def write_campaign(folder: Path) -> Path:
    (folder / "pay.yaml").write_text(SCRIPT, encoding="utf-8")
    write_wav(folder / "hello.wav", tone(1.5, 22050), 22050, channels=2)
    file = folder / "campaign.yaml"
    file.write_text(CAMPAIGN, encoding="utf-8")
    return file


async def _ignore(_: OptOut) -> None:
    return


async def _customer(call: LoopbackCall, answer: bytes) -> bytes:
    """Hear the greeting and the question, and answer once it has been quiet for a second; all that was heard."""
    heard, said = bytearray(), False
    try:
        while True:
            heard += await call.far.read()
            question = np.abs(from_pcm(bytes(heard[-2 * RATE :]))).max() < 0.005 and len(heard) > 6 * RATE
            if question and not said:
                said = True
                call.far.say(answer)
    except MediaClosed:
        return bytes(heard)


async def _talk(voicebots: Voicebots, bot_id: int, answer: bytes) -> tuple[ConversationResult, bytes]:
    conversation = await voicebots.conversation(bot_id)
    await conversation.warm()
    call = LoopbackCall("a1")
    hearing = asyncio.create_task(_customer(call, answer))
    result = await conversation.run(call, Job("a1", {}, WAIT_S, _ignore))
    return result, await hearing


async def _bot(app: App) -> tuple[int, dict[str, str]]:
    async with app.database.read() as conn:
        row = (await conn.execute(select(bots))).mappings().one()
    assert (row["voice"], row["speed"], row["ears"]) == ("far", 1.1, None)
    return row["id"], row["sounds"]


async def test_a_bot_speaks_and_hears_elsewhere_and_keeps_the_recording_of_its_version(
    server: SpeechServer, joe_voice: PiperSpeaker, tmp_path: Path
) -> None:
    file = write_campaign(tmp_path)
    settings = settings_for(server, tmp_path)
    answer = await joe_voice.synthesise("Yes, please.", rate_hz=RATE)
    async with open_app(settings) as app:
        await enrol(app, load_definition(file))
        bot_id, sounds = await _bot(app)
        (sha256,) = sounds.values()
        assert (settings.sounds_folder / f"{sha256}.wav").read_bytes() == (tmp_path / "hello.wav").read_bytes()
        # What lies beside the script now is no matter of the version that was made.
        write_wav(tmp_path / "hello.wav", tone(1.5, 22050, 900.0), 22050)
        async with open_voicebots(app) as voicebots:
            result, heard = await _talk(voicebots, bot_id, answer)
            assert isinstance(await voicebots.speech.listener("en"), HostedListener)
            assert voicebots.speech.cache.get(Phrase(f"recorded:{sha256}", "", 1.0, RATE)) is not None
    assert (result.error, result.code, result.messages) == (None, "AG", 2)
    assert result.turns[0].text == "Welcome to Bell Finance. Will you pay?"
    spectrum = np.abs(np.fft.rfft(from_pcm(heard)))
    assert abs(float(np.argmax(spectrum)) * RATE / (len(heard) / 2) - 440) < 20
    spoken = [asked.fields["input"] for asked in server.asked if asked.path == "speech"]
    assert {"Will you pay?", "Goodbye."} <= set(spoken)
    assert "Welcome to Bell Finance." not in spoken
    assert {asked.fields.get("speed") for asked in server.asked if asked.path == "speech"} == {1.1}
    assert any(asked.path == "transcriptions" for asked in server.asked)


async def test_recordings_and_voices_are_checked_before_anything_is_stored(
    server: SpeechServer, tmp_path: Path
) -> None:
    file = write_campaign(tmp_path)
    async with open_app(settings_for(server, tmp_path)) as app:
        (tmp_path / "hello.wav").write_bytes(b"no sound")
        with pytest.raises(BotError, match=r"pay\.yaml, line 7: hello\.wav: no WAV file of plain PCM"):
            await enrol(app, load_definition(file))
        write_wav(tmp_path / "hello.wav", tone(0.2, RATE), RATE)
        for was, now, message in (
            ("voice: far", "voice: near", r"bot\.voice: no model is called 'near'; known: .* and the services far;"),
            ("speed: 1.1", "ears: none-such", r"bot\.ears: no model is called 'none-such'; .* services far-ears;"),
        ):
            file.write_text(CAMPAIGN.replace(was, now), encoding="utf-8")
            with pytest.raises(DefinitionError, match=message):
                await enrol(app, load_definition(file))
        assert await app.campaigns.all_ids() == []


def toml_of(server: SpeechServer) -> str:
    return f"""
[models]
listening = "far-ears"

[[services.tts]]
name = "far"
class = "bot.speech.openai_voice.OpenAICompatibleTTSService"
arguments = {{ base_url = "{server.url}" }}
settings = {{ model = "tts-1", voice = "joe" }}
secrets = {{ api_key = "SPEECH_KEY" }}

[[services.stt]]
name = "far-ears"
class = "pipecat.services.openai.stt.OpenAISTTService"
arguments = {{ base_url = "{server.url}" }}
secrets = {{ api_key = "SPEECH_KEY" }}

[[trunks]]
name = "main"
host = "127.0.0.1"
"""


async def test_a_campaign_is_warmed_by_command_with_its_contacts_own_lines(
    server: SpeechServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Loggers keep the stream they were given first, and the command's is closed with it.
    monkeypatch.setattr("campana.logs.configure_logs", lambda _level: None)
    config = tmp_path / "campana.toml"
    config.write_text(toml_of(server), encoding="utf-8")
    script = SCRIPT.replace('ask: "Will you pay?"', 'ask: "{name}, will you pay?"').replace(
        "script: pay", "script: pay\nvariables: {name: required}"
    )
    file = write_campaign(tmp_path)
    (tmp_path / "pay.yaml").write_text(script, encoding="utf-8")
    people = tmp_path / "people.csv"
    people.write_text("phone,name\n+84901234567,Anna\n+84901234568,Ben\n+84901234569,Carl\n", encoding="utf-8")
    commands = [
        ["create", str(file)],
        ["import", "PAY", str(people)],
        ["warm", "PAY", "--contacts", "2", "--json"],
    ]
    for each in commands:
        # The command has an event loop of its own, and the server's must go on meanwhile.
        done = await asyncio.to_thread(CliRunner().invoke, command, ["--config", str(config), "campaign", *each])
        assert done.exit_code == 0, done.output
    assert '"contacts": 2' in done.stdout
    said = {asked.fields["input"] for asked in server.asked if asked.path == "speech"}
    assert {"Goodbye.", "Anna, will you pay?", "Ben, will you pay?"} <= said
    assert "Carl, will you pay?" not in said


async def test_a_voice_that_says_nothing_stops_the_campaign_before_its_first_call(
    server: SpeechServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPEECH_KEY", "sk-wrong-9876543210zyxwvutsrq")
    async with open_app(settings_for(server, tmp_path)) as app:
        campaign_id = await enrol(app, load_definition(write_campaign(tmp_path)))
        async with open_voicebots(app) as voicebots:
            with pytest.raises(HostedSpeechFailed, match=r"far does not accept our credentials .* check SPEECH_KEY"):
                await voicebots.warm(campaign_id)
