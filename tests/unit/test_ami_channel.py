"""Keys and variables of an answered call, against a scripted manager interface."""

from __future__ import annotations

import asyncio

import pytest

from telephony.ami import channel
from telephony.call import HasAmd
from telephony.media.leg import LineMedia
from tests.support_media import AudioSocketPeer, keys_in
from tests.support_scripted_dialer import talking


async def until_tones(audio: AudioSocketPeer, keys: str) -> None:
    async with asyncio.timeout(60):
        while keys_in(bytes(audio.heard), 8000) != list(keys):  # noqa: ASYNC110 - another thread hears them
            await asyncio.sleep(0.05)


async def test_a_key_is_pressed_by_asterisk() -> None:
    async with talking() as (peer, call, _):
        await call.media.send_dtmf("7#")
        pressed = peer.received("PlayDTMF")
        assert [(each["Channel"], each["Digit"], each["Duration"]) for each in pressed] == [
            ("a1", "7", "100"),
            ("a1", "#", "100"),
        ]


async def test_keys_that_asterisk_refuses_are_tones() -> None:
    async with talking() as (peer, call, audio):
        peer.refused["PlayDTMF"] = "Permission denied"
        await call.media.send_dtmf("15")
        await until_tones(audio, "15")
        assert len(peer.received("PlayDTMF")) == 1


async def test_a_key_that_may_have_been_pressed_is_not_pressed_again() -> None:
    async with talking() as (peer, call, audio):
        peer.silent.add("PlayDTMF")
        peer.refused["Login"] = "Authentication failed"
        sending = asyncio.create_task(call.media.send_dtmf("15"))
        await peer.until_received("PlayDTMF")
        peer.cut()
        await sending
        await until_tones(audio, "5")
        assert len(peer.received("PlayDTMF")) == 1
        del peer.refused["Login"]
        await peer.until_received("Status")


async def test_a_flush_takes_keys_along_that_are_not_pressed_yet() -> None:
    async with talking() as (peer, call, _):
        media = call.media
        assert isinstance(media, LineMedia)
        media.play.push(bytes(60 * 16_000))
        sending = asyncio.create_task(media.send_dtmf("7"))
        await asyncio.sleep(0)
        assert media.flush() > 0
        await sending
        assert not peer.received("PlayDTMF")


async def test_a_manager_that_does_not_tell_of_amd_holds_no_call_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "_VARIABLES_S", 0.05)
    async with talking(amd=True, silent={"Getvar"}) as (_, call, _audio):
        assert isinstance(call, HasAmd)
        assert call.amd is None


@pytest.mark.parametrize(("value", "amd"), [("MACHINE", ("MACHINE", "MACHINE")), ("${AMDSTATUS}", None), ("", None)])
async def test_only_what_amd_says_is_taken(
    value: str, amd: tuple[str, str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "_VARIABLES_S", 60.0)
    async with talking(amd=True, value=value) as (_, call, _audio):
        assert isinstance(call, HasAmd)
        assert call.amd == amd
