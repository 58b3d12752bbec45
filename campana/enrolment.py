"""From a campaign file to rows: script, tariff and bot are checked first, then all of it is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.tariff import Tariff, load_tariff
from bot.llm.needs import require_model
from bot.script.language import Script
from bot.script.loader import load_script
from bot.script.texts import secret_names
from campaigns.campaigns import NewCampaign, create_campaign
from campaigns.codes import DEFAULTS
from campana.application import App
from campana.definition import BotPart, CallBackRule, CampaignDefinition, DefinitionError
from campana.machines import unknown_variables
from campana.other_bots import further_variables, other_scripts, stored_script
from campana.sounds import checked_recordings, keep_recordings, named_recordings
from campana.speech_choice import SpeechUnavailable, ears_for, voice_for
from storage.tables import accounts, bots, campaigns, tariffs

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Material:
    """A campaign's script and tariff, read and checked by themselves; the names are those that messages say."""

    script: Script
    script_text: str
    tariff: Tariff
    script_name: str
    tariff_name: str
    #: The recordings that the script plays, by name, as `keep_recordings` has kept them.
    sounds: Mapping[str, str] = field(default_factory=dict)


async def enrol(app: App, definition: CampaignDefinition) -> int:
    """Store the campaign as a draft; its id.

    Raises `DefinitionError`, or the script's and the tariff's own errors, before anything is stored.
    """
    _require_trunks(app, definition)
    zone = definition.time_zone or app.settings.account.time_zone
    script_file = _readable(definition.script, "script")
    script = load_script(script_file)
    text = script_file.read_text(encoding="utf-8")
    tariff = load_tariff(_readable(definition.tariff, "tariff"), zone=ZoneInfo(zone))
    recorded = await asyncio.to_thread(checked_recordings, script, script_file.parent)
    sounds = await asyncio.to_thread(keep_recordings, app.settings, recorded)
    names = (str(definition.script), str(definition.tariff))
    return await enrol_checked(app, definition, Material(script, text, tariff, *names, sounds))


async def enrol_checked(app: App, definition: CampaignDefinition, material: Material) -> int:
    """The same with script and tariff at hand, wherever they are from."""
    _require_trunks(app, definition)
    zone = definition.time_zone or app.settings.account.time_zone
    script, tariff = material.script, material.tariff
    _require_variables(definition, material)
    await _require_currency(app, material)
    _require_recordings(material)
    voice = _voice_and_ears(app, definition.bot, script.language)
    others = await other_scripts(app, definition.post_conditions)
    codes = {**_declared(*others, script), **definition.codes}
    rules = [_rule(rule) for rule in definition.call_backs]
    for each in (script, *others):
        require_model(each, app.settings.llm.model)
        _require_secrets(app, each)
    new = replace(_new_campaign(app, definition, zone), codes=codes, retry_rules=rules)
    new = replace(new, post_conditions=definition.post_conditions, retarget=definition.retarget)
    async with app.database.write() as conn:
        # Of two campaigns at once with the same code or bot, the second sees what the first has stored.
        await conn.execute(select(accounts.c.id).where(accounts.c.id == app.account_id).with_for_update(key_share=True))
        bot_id = await _store_bot(conn, app, definition, voice, material)
        tariff_id = await _store_tariff(conn, app, tariff)
        return await create_campaign(conn, replace(new, bot_id=bot_id, tariff_id=tariff_id), app.clock.now())


def _require_trunks(app: App, definition: CampaignDefinition) -> None:
    known = [trunk.name for trunk in app.settings.trunks]
    for name in definition.ways:
        if name not in known:
            field, names = "trunks" if definition.trunks else "trunk", ", ".join(known) or "none yet"
            raise DefinitionError(
                f"{field}: there is no trunk {name!r} in the settings (known: {names}); "
                "add a [[trunks]] table, see docs/reference/settings.md"
            )


def _require_variables(definition: CampaignDefinition, material: Material) -> None:
    missing = unknown_variables(material.script, definition.machines)
    if missing:
        raise DefinitionError(
            f"machines: undefined variable `{missing[0]}`; declare it under `variables:` of {material.script_name}, "
            "or leave it out of the message"
        )


def _require_secrets(app: App, script: Script) -> None:
    known = {name.upper() for name in app.settings.secrets}
    for name, line in secret_names(script).items():
        if name.upper() not in known:
            raise DefinitionError(
                f"script: {script.file}, line {line}: the settings have no secret {name} for the web service; "
                f'write {name.lower()} = "..." under [secrets], or set CAMPANA_SECRETS__{name.upper()}'
            )


def _require_recordings(material: Material) -> None:
    for name, line in named_recordings(material.script).items():
        if name not in material.sounds:
            raise DefinitionError(
                f"script: line {line}: the recording {name} is not here; recordings lie beside a script's file, so "
                "make the campaign with: campana campaign create"
            )


def _voice_and_ears(app: App, bot: BotPart, language: str) -> str:
    """The voice; one that is unknown, or ears that are, must be told now and not at the first call."""
    try:
        ears_for(app.settings, app.models, language, bot.ears)
        voice = voice_for(app.settings, app.models, language, bot.voice)
    except SpeechUnavailable as error:
        raise DefinitionError(f"bot.{error}") from error
    if voice.warning is not None:
        _log.warning("speech.second_best", what=voice.warning)
    return voice.name


async def _require_currency(app: App, material: Material) -> None:
    async with app.database.read() as conn:
        of_account = select(accounts.c.currency).where(accounts.c.id == app.account_id)
        books = (await conn.execute(of_account)).scalar_one()
    if material.tariff.currency != books:
        raise DefinitionError(
            f"{material.tariff_name}: currency: {material.tariff.currency}, but the account keeps its books in "
            f"{books}; use a tariff in that currency, or name another account in the settings"
        )


def _readable(path: Path, field: str) -> Path:
    if not path.is_file():
        raise DefinitionError(f"{field}: {path}: no such file; the path is taken from the campaign file's folder")
    return path


async def _store_bot(
    conn: AsyncConnection, app: App, definition: CampaignDefinition, voice: str, material: Material
) -> int:
    """A bot is versioned: each campaign pins the script as it was when the campaign was made."""
    bot = definition.bot
    same = (bots.c.account_id == app.account_id) & (bots.c.name == bot.name)
    latest = (await conn.execute(select(func.max(bots.c.version)).where(same))).scalar()
    row = insert(bots).values(
        account_id=app.account_id,
        name=bot.name,
        version=(latest or 0) + 1,
        language=bot.language,
        voice=voice,
        speed=bot.speed,
        script=material.script_text,
        created_at=app.clock.now(),
        ears=bot.ears,
        sounds=dict(material.sounds) or None,
    )
    key = (await conn.execute(row)).inserted_primary_key
    assert key is not None
    return int(key[0])


async def _store_tariff(conn: AsyncConnection, app: App, tariff: Tariff) -> int:
    row = insert(tariffs).values(
        account_id=app.account_id,
        name=tariff.name,
        currency=tariff.currency,
        definition=tariff.snapshot(),
        valid_from=tariff.valid_from,
    )
    key = (await conn.execute(row)).inserted_primary_key
    assert key is not None
    return int(key[0])


def _new_campaign(app: App, definition: CampaignDefinition, zone: str) -> NewCampaign:
    """The campaign's own fields; bot, tariff, codes and rules are put in when they are checked and stored."""
    return NewCampaign(
        account_id=app.account_id,
        code=definition.code,
        name=definition.name,
        bot_id=0,
        tariff_id=0,
        trunk=definition.ways[0],
        backup_trunks=definition.ways[1:],
        overflow=definition.overflow,
        machines=definition.machines or None,
        region=definition.region or app.settings.account.region,
        time_zone=zone,
        caller_id=definition.caller_id,
        script_type=definition.script_type,
        is_test=definition.rehearsal,
        stays_open=definition.stays_open,
        start_at=_midnight(definition.start, zone),
        end_at=_midnight(definition.end, zone, days=1),
        windows=[[f"{w.opens:%H:%M}", f"{w.closes:%H:%M}"] for w in definition.windows],
        weekdays=definition.iso_weekdays,
        closed_dates=[day.isoformat() for day in definition.closed_dates],
        holidays=definition.holidays,
        purpose=definition.keeps_to,
        contact_time_zone=definition.contact_time_zone,
        concurrency=definition.concurrency,
        share=definition.share,
        callback_reserve=definition.callback_reserve,
        slow_start=definition.slow_start.model_dump(by_alias=True) if definition.slow_start else None,
        max_call_s=definition.max_call_s,
        ring_timeout_s=definition.ring_timeout_s,
        max_attempts=definition.max_attempts,
        lost_calls=definition.lost_calls,
        caps=definition.caps or None,
        report_emails=list(definition.report_emails),
        contact_expires_days=definition.contact_expires_days,
        budget=definition.budget,
    )


def _declared(*scripts: Script) -> dict[str, dict[str, str]]:
    """The scripts' own action codes as the campaign keeps them; of two that declare the same, the last one's."""
    return {
        code.code: {
            "generic_result": code.generic_result,
            "class": code.code_class,
            "family": code.family,
            "title": code.title,
        }
        for script in scripts
        for code in script.codes
        if code.code not in DEFAULTS
    }


def _rule(rule: CallBackRule) -> dict[str, object]:
    return {
        "on": list(rule.when),
        "times": rule.times,
        "after_min": str(rule.after_min),
        "multiply": str(rule.multiply),
    }


def _midnight(day: date | None, zone: str, *, days: int = 0) -> datetime | None:
    """Local midnight at the start of a day (`days` later), in UTC."""
    if day is None:
        return None
    return datetime.combine(day + timedelta(days=days), time.min, ZoneInfo(zone)).astimezone(UTC)


async def required_variables(app: App, campaign_id: int) -> tuple[str, ...]:
    """The columns that a contact list must have for the campaign's script."""
    async with app.database.read() as conn:
        statement = (
            select(bots.c.name, bots.c.script, campaigns.c.post_conditions)
            .join(campaigns, campaigns.c.bot_id == bots.c.id)
            .where(campaigns.c.id == campaign_id)
        )
        name, text, rules = (await conn.execute(statement)).one()
        further = await further_variables(conn, rules)
    required = (await stored_script(text, name)).required_variables
    return (*required, *sorted(further - set(required)))
