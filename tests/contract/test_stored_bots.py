"""Stored bots are found by name and version, for test calls and single calls."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import insert

from campana.application import App, open_app
from campana.bots import NoSuchBot, find_bot, read_bot, versions
from campana.settings import AccountSettings, Settings, TrunkSettings
from campana.single_call import SingleCall, _spoken
from storage.tables import bots
from tests.support_calls import START


async def _store(app: App, name: str, version: int, greeting: str, **columns: object) -> None:
    script = f"script: small\nlanguage: en\nsteps:\n  greeting:\n    - say: {greeting}\n    - end\n"
    row: dict[str, object] = {"account_id": app.account_id, "name": name, "version": version, "language": "en"}
    row |= {"voice": "tts-en-joe", "speed": 1.0, "script": script, "created_at": START} | columns
    async with app.database.write() as conn:
        await conn.execute(insert(bots).values(**row))


def _settings(url: str, folder: Path) -> Settings:
    trunks = (TrunkSettings(name="line", host="127.0.0.1"),)
    return Settings(data_folder=folder, database_url=url, account=AccountSettings(name="Acme"), trunks=trunks)


async def test_the_newest_version_is_meant_unless_told(migrated_url: str, tmp_path: Path) -> None:
    async with open_app(_settings(migrated_url, tmp_path)) as app:
        with pytest.raises(NoSuchBot, match="known: none yet; a campaign brings one"):
            await find_bot(app, "Lan")
        await _store(app, "Lan", 1, "One.")
        await _store(app, "Lan", 2, "Two.", speed=1.2, ears="stt-base", sounds={"hello.wav": "ab"})
        await _store(app, "Mai", 1, "Mai.")
        assert await versions(app) == {"Mai": [1], "Lan": [2, 1]}
        newest, first = await find_bot(app, "Lan"), await find_bot(app, "Lan", 1)
        assert (newest.version, newest.spoken.speed, newest.spoken.ears) == (2, 1.2, "stt-base")
        assert newest.spoken.recorded is not None
        assert newest.spoken.recorded["hello.wav"].path == tmp_path / "sounds" / "ab.wav"
        assert (first.version, first.spoken.recorded) == (1, {})
        with pytest.raises(NoSuchBot, match="'Lan' has no version 3; it has 1, 2"):
            await find_bot(app, "Lan", 3)
        with pytest.raises(NoSuchBot, match=r"no bot 'Lin' \(known: Mai, Lan\)"):
            await find_bot(app, "Lin")


async def test_a_single_call_takes_a_bot_as_it_is_stored_unless_a_voice_is_wished_for(
    migrated_url: str, tmp_path: Path
) -> None:
    async with open_app(_settings(migrated_url, tmp_path)) as app:
        await _store(app, "Lan", 1, "One.", speed=1.2)
        as_stored = await _spoken(app, SingleCall("+84901234567", None, {}, bot="Lan@1"))
        assert (as_stored.voice, as_stored.speed) == ("tts-en-joe", 1.2)
        otherwise = await _spoken(app, SingleCall("+84901234567", None, {}, bot="Lan", voice="another"))
        assert (otherwise.voice, otherwise.speed) == ("another", 1.2)


@pytest.mark.parametrize(
    ("text", "name", "version"),
    [
        ("Lan", "Lan", None),
        ("Lan@2", "Lan", 2),
        ("Lan@", "Lan@", None),
        ("info@bell.example", "info@bell.example", None),
        ("info@bell.example@7", "info@bell.example", 7),
        ("Lan@²", "Lan@²", None),
    ],
)
def test_a_version_stands_behind_the_last_at_sign(text: str, name: str, version: int | None) -> None:
    assert read_bot(text) == (name, version)
