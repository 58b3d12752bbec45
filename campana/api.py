"""What the API is given of the program around it: campaigns made of what was sent, by the campaign file's rules."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy import select

from billing.errors import BillingError
from billing.tariff import Tariff, parse_tariff
from bot.errors import BotError
from bot.script.language import CallWebhook, Script, SendEmail
from bot.script.loader import load_script
from campana.application import App
from campana.definition import CampaignDefinition, DefinitionError
from campana.enrolment import Material, enrol_checked, required_variables
from campana.machines import machines_mistakes
from storage.tables import bots, tariffs
from web.errors import BadFields

#: What is read of a script, a tariff or `machines`, in characters.
_LONGEST: Final = 200_000
_EXAMPLE: dict[str, Any] = {
    "name": "Spring offer",
    "code": "SPRING",
    "script": {"bot": "Lan"},
    "tariff": {"stored": 1},
    "trunk": "carrier",
    "start": "2026-03-02",
    "windows": ["08:00-11:30", "13:30-17:00"],
    "max_attempts": 3,
    "call_backs": [{"when": ["BUSY", "NOANSWER"], "times": 2, "after_min": 20}],
}


def _short(fields: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(fields)) > _LONGEST:
        raise ValueError(f"it has at most {_LONGEST} characters as JSON; leave out what is not needed")
    return fields


_Fields = Annotated[dict[str, Any], AfterValidator(_short)]


class StoredBot(BaseModel):
    """The script of a bot that an earlier campaign has brought."""

    model_config = ConfigDict(extra="forbid")

    bot: str = Field(max_length=200, description="Its name.")
    version: int | None = Field(None, ge=1, le=2**31 - 1, description="None: the latest.")


class StoredTariff(BaseModel):
    """A tariff that an earlier campaign has brought."""

    model_config = ConfigDict(extra="forbid")

    stored: int = Field(ge=1, le=2**63 - 1, description="Its id.")


class NewCampaign(CampaignDefinition):
    """A campaign: the fields of the campaign file, its script and tariff inline or stored."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    script: (  # type: ignore[assignment]
        Annotated[str, Field(min_length=1, max_length=_LONGEST, description="The script's YAML text.")] | StoredBot
    )
    tariff: StoredTariff | Annotated[_Fields, Field(description="The tariff's fields.")]  # type: ignore[assignment]
    machines: _Fields | None = None


class ApiEnrolment:
    """`web.api.ports.Enrolment` over the open application."""

    model = NewCampaign

    def __init__(self, app: App) -> None:
        self._app = app

    async def create(self, account_id: int, body: NewCampaign) -> int:
        """See `web.api.ports.Enrolment`."""
        if account_id != self._app.account_id:
            raise BadFields([("account", f"this program works for the account {self._app.settings.account.name}")])
        # Reading takes as long as its text is, and the audio of live calls shares this event loop.
        if mistakes := await asyncio.to_thread(machines_mistakes, body.machines):
            raise BadFields([("machines", mistake) for mistake in mistakes])
        name, text, sounds = await self._script(body)
        try:
            script = await asyncio.to_thread(load_script, text, name)
        except BotError as error:
            raise BadFields(_lines("script", error)) from error
        if isinstance(body.script, str) and (outward := _outward(script)):
            raise BadFields([("script", outward)])
        tariff = await self._tariff(body)
        material = Material(script, text, tariff, script_name=name, tariff_name="tariff", sounds=sounds)
        try:
            return await enrol_checked(self._app, body, material)
        except DefinitionError as error:
            field, colon, problem = str(error).partition(": ")
            raise BadFields([(field, problem) if colon else ("campaign", str(error))]) from error

    async def required_variables(self, campaign_id: int) -> Sequence[str]:
        """See `web.api.ports.Enrolment`."""
        return await required_variables(self._app, campaign_id)

    async def _script(self, body: NewCampaign) -> tuple[str, str, Mapping[str, str]]:
        """Its name, its text, and the recordings of a stored bot."""
        if isinstance(body.script, str):
            return "script", body.script, {}
        columns = (bots.c.script, bots.c.sounds)
        wanted = select(*columns).where(bots.c.account_id == self._app.account_id, bots.c.name == body.script.bot)
        if body.script.version is not None:
            wanted = wanted.where(bots.c.version == body.script.version)
        async with self._app.database.read() as conn:
            found = (await conn.execute(wanted.order_by(bots.c.version.desc()).limit(1))).first()
        if found is None:
            raise BadFields([("script", f"there is no bot {body.script.bot!r} of this version; GET /bots lists them")])
        return body.script.bot, str(found.script), found.sounds or {}

    async def _tariff(self, body: NewCampaign) -> Tariff:
        zone = ZoneInfo(body.time_zone or self._app.settings.account.time_zone)
        fields: Any = body.tariff
        if isinstance(body.tariff, StoredTariff):
            wanted = select(tariffs.c.definition).where(
                tariffs.c.id == body.tariff.stored, tariffs.c.account_id == self._app.account_id
            )
            async with self._app.database.read() as conn:
                fields = await conn.scalar(wanted)
            if fields is None:
                raise BadFields([("tariff", f"there is no tariff {body.tariff.stored}; GET /tariffs lists them")])
        try:
            return await asyncio.to_thread(parse_tariff, fields, zone=zone)
        except BillingError as error:
            raise BadFields(_lines("tariff", error)) from error


def _lines(field: str, error: Exception) -> list[tuple[str, str]]:
    """Each mistake that an error tells of, for the field."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return [(field, line) for line in lines or ["it cannot be used as it is"]]


def _outward(script: Script) -> str | None:
    """Why a script that came over the network is not taken: it would ask or write to others in our name."""
    for _, block in script.blocks():
        if isinstance(block, CallWebhook | SendEmail):
            what = "asks a web service" if isinstance(block, CallWebhook) else "sends e-mails"
            return f"line {block.line}: it {what}, with this installation's secrets and sender; have it stored as a bot"
    return None
