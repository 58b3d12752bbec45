"""Pre-flight checks: what a campaign needs, whether it is there, and what to do when it is not."""

from __future__ import annotations

import asyncio
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import aiosmtplib
from sqlalchemy import text

from bot.errors import BotError
from campana.capacity import capacity_of, too_many
from campana.cli.models import needed
from campana.errors import CampanaError
from campana.node import asterisk_trunk, sip_settings, trunk_config
from campana.settings import AsteriskTrunkSettings, Settings, TrunkSettings
from campana.speech_choice import SpeechUnavailable, ears_for, voice_for
from models.errors import ModelError
from models.store import ModelStore
from storage.database import open_database
from storage.errors import StorageError
from storage.server_clock import DIFFERS_S, server_clock
from telephony.ami.check import Verdict
from telephony.ami.check import check as check_asterisk
from telephony.errors import TelephonyError
from telephony.sip.dialer import SipDialer
from telephony.sip.probe import probe

_DISK_WARN_BYTES: Final = 2_000_000_000
_SMTP_TIMEOUT_S: Final = 5.0


class State(StrEnum):
    """How a check came out; a warning leaves the exit status at 0."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True)
class Finding:
    """One check: what was found, and the remedy when something is wrong."""

    check: str
    state: State
    found: str
    remedy: str = ""


async def examine(settings: Settings, *, measure: bool = False) -> AsyncIterator[Finding]:
    """Run every check, one after the other, each whatever the others found.

    With `measure`, how many calls the models allow here is measured too, for some seconds.
    """
    checks: list[Callable[[Settings], Awaitable[Finding]]] = [_python, _database, _disk, _models, _mail, _dashboard]
    for check in checks:
        found = await check(settings)
        yield found
        if check is _database:
            async for finding in _clock(settings):
                yield finding
        if check is _models:
            async for finding in _speech(settings):
                yield finding
            if measure and found.state is State.OK:
                yield await _capacity(settings)
    if settings.llm.model is not None:
        yield await _language_model(settings)
    if not settings.trunks:
        yield Finding("trunks", State.WARNING, "none is set up", "add a [[trunks]] table: docs/reference/settings.md")
    for trunk in settings.trunks:
        if isinstance(trunk, AsteriskTrunkSettings):
            async for finding in _asterisk(trunk):
                yield finding
        else:
            yield await _trunk(settings, trunk)


async def _python(_settings: Settings) -> Finding:
    return Finding("python", State.OK, sys.version.split()[0])


async def _database(settings: Settings) -> Finding:
    try:
        async with open_database(settings.url) as database, database.read() as conn:
            await conn.execute(text("SELECT 1"))
    except (StorageError, OSError) as error:
        return Finding("database", State.FAILED, str(error), "set database_url or data_folder in the settings")
    return Finding("database", State.OK, database.url.get_backend_name())


async def _clock(settings: Settings) -> AsyncIterator[Finding]:
    """How far this machine's clock is from the server's; SQLite has no clock of its own."""
    try:
        async with open_database(settings.url) as database:
            if database.is_sqlite:
                return
            async with server_clock(database) as clock:
                ahead_s = clock.machine_ahead_s
    except (StorageError, OSError):
        return  # told of as the database's failure
    found = f"{abs(ahead_s):.3f} s {'ahead of' if ahead_s >= 0 else 'behind'} the database's"
    if abs(ahead_s) > DIFFERS_S:
        remedy = "calls go by the database's clock all the same; set this machine's (NTP), or its logs mislead"
        yield Finding("clock", State.WARNING, found, remedy)
    else:
        yield Finding("clock", State.OK, found)


async def _disk(settings: Settings) -> Finding:
    folder = _existing(settings.data_folder)
    free = shutil.disk_usage(folder).free
    shown = f"{free / 1e9:.1f} GB free for recordings"
    if free < _DISK_WARN_BYTES:
        return Finding("disk", State.WARNING, shown, "an hour of recording takes 115 MB; make room or move data_folder")
    return Finding("disk", State.OK, shown)


def _existing(folder: Path) -> Path:
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder


async def _models(settings: Settings) -> Finding:
    store = ModelStore(settings.models.folder)
    try:
        errors = [str(status.error) for name in needed(settings) if (status := store.status(name)).error]
    except ModelError as error:
        return Finding("models", State.FAILED, str(error), "choose others under [models] in the settings")
    if errors:
        return Finding("models", State.FAILED, "; ".join(errors), "campana models fetch")
    return Finding("models", State.OK, ", ".join(needed(settings)))


async def _language_model(settings: Settings) -> Finding:
    """Ask the model one short question, for which its provider charges a few tokens."""
    # LiteLLM and the speech pipeline take seconds to load, which no other check needs.
    from bot.errors import BotError
    from campana.language_models import first_words

    name = "language model"
    try:
        first_ms = await first_words(settings.llm)
    except BotError as error:
        found, _, remedy = str(error).partition("; ")
        return Finding(name, State.FAILED, found, remedy)
    return Finding(name, State.OK, f"{settings.llm.model}: first sentence after {first_ms} ms")


async def _speech(settings: Settings) -> AsyncIterator[Finding]:
    """Voices and ears of languages that are second best, or not to be had."""
    store = ModelStore(settings.models.folder)
    for language in dict.fromkeys(("en", *settings.models.voices, *settings.models.ears)):
        try:
            ears_for(settings, store, language)
            warning = voice_for(settings, store, language).warning
        except SpeechUnavailable as error:
            yield Finding(f"speech {language}", State.FAILED, str(error), "docs/how-to/choose-a-voice.md")
            continue
        if warning is not None:
            yield Finding(f"speech {language}", State.WARNING, warning, "docs/how-to/choose-a-voice.md")


async def _capacity(settings: Settings) -> Finding:
    try:
        found = await capacity_of(settings, runs=3)
    except (ModelError, BotError, CampanaError) as error:
        return Finding("capacity", State.WARNING, str(error), "docs/how-to/choose-a-voice.md")
    told = f"about {found.cached} calls at once ({found.uncached} without the phrase cache); node.calls is"
    if too_many(settings, found):
        remedy = f"set node.calls to {found.cached}, or see docs/explanation/sizing.md"
        return Finding("capacity", State.WARNING, f"{told} {settings.node.calls}", remedy)
    return Finding("capacity", State.OK, f"{told} {settings.node.calls}")


async def _mail(settings: Settings) -> Finding:
    smtp = settings.smtp
    where = f"{smtp.host}:{smtp.port}"
    client = aiosmtplib.SMTP(
        hostname=smtp.host,
        port=smtp.port,
        use_tls=smtp.security == "tls",
        start_tls=smtp.security == "starttls",
        timeout=_SMTP_TIMEOUT_S,
    )
    try:
        await client.connect()
        if smtp.user and smtp.password:
            await client.login(smtp.user, smtp.password.get_secret_value())
        await client.quit()
    except (aiosmtplib.SMTPException, OSError) as error:
        remedy = "check [smtp] in the settings; reports wait in the outbox until it answers"
        return Finding("mail server", State.WARNING, f"{where}: {error}", remedy)
    return Finding("mail server", State.OK, where)


async def _dashboard(settings: Settings) -> Finding:
    web = settings.web
    with socket.socket(socket.AF_INET6 if ":" in web.host else socket.AF_INET) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((web.host, web.port))
        except OSError as error:
            remedy = "a dashboard runs there already, or choose another port in [web]"
            return Finding("dashboard", State.WARNING, f"{web.host}:{web.port}: {error.strerror}", remedy)
    return Finding("dashboard", State.OK, f"{web.host}:{web.port} is free")


async def _trunk(settings: Settings, trunk: TrunkSettings) -> Finding:
    """Ask the peer for its abilities (OPTIONS, RFC 3261 §11), after registering where the trunk wants that."""
    name = f"trunk {trunk.name}"
    where = f"{trunk.host}:{trunk.port}/{trunk.transport}"
    try:
        config = trunk_config(trunk)
        if trunk.register_account:
            async with SipDialer(config, sip_settings(settings)):
                pass
        answer = await probe(config) if trunk.transport == "udp" else await _connect(trunk)
    except TelephonyError as error:
        return Finding(name, State.FAILED, f"{where}: {error}", "check host, port, user and password of the trunk")
    if answer is None:
        remedy = "check host, port and firewall; calls over it would end as CHANUNAVAIL (CU)"
        return Finding(name, State.FAILED, f"{where} does not answer", remedy)
    return Finding(name, State.OK, f"{where}: {answer}")


_STATES: Final = {Verdict.GOOD: State.OK, Verdict.UNSURE: State.WARNING, Verdict.BAD: State.FAILED}


async def _asterisk(trunk: AsteriskTrunkSettings) -> AsyncIterator[Finding]:
    """Login, permissions, events, the dial string's endpoint, and the way of the audio to us."""
    name = f"trunk {trunk.name}"
    try:
        known = asterisk_trunk(trunk)
    except TelephonyError as error:
        yield Finding(name, State.FAILED, str(error), "docs/reference/settings.md")
        return
    async for checked in check_asterisk(known):
        yield Finding(f"{name}: {checked.what}", _STATES[checked.verdict], checked.found, checked.remedy)


async def _connect(trunk: TrunkSettings) -> str | None:
    try:
        async with asyncio.timeout(_SMTP_TIMEOUT_S):
            _, writer = await asyncio.open_connection(trunk.host, trunk.port)
    except (OSError, TimeoutError):
        return None
    writer.close()
    return "accepts connections"
