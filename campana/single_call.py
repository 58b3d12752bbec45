"""One call outside any campaign: to try a script on a telephone. It is neither billed nor reported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from sqlalchemy import select

from bot.conversation import ScriptedConversation
from bot.outcome import ConversationResult, Job, OptOut
from bot.script.interpreter import fill_variables
from bot.script.loader import load_script
from campaigns.agents import AgentLegs, Way
from campaigns.codes import Assigned, assign
from campaigns.letters import TOPIC, post
from campaigns.numbers import InvalidNumber, normalise
from campaigns.suppression import Source, add, listed, whole_account
from campaigns.surely import surely
from campana.application import App
from campana.bots import Spoken, find_bot, read_bot
from campana.errors import CampanaError
from campana.node import dialer_of
from campana.settings import AnyTrunkSettings
from campana.voicebots import open_voicebots
from storage.outbox import enqueue_all
from storage.tables import attempts
from telephony.call import Call, DialRequest, HasAmd, NotAnswered, PhaseListener
from telephony.trunk import format_number


class CallRefused(CampanaError):
    """The call may not, or cannot, be placed."""


@dataclass(frozen=True)
class SingleCall:
    """What to dial and what to say."""

    number: str
    #: A file, or None where `bot` names a stored bot, as `NAME` or `NAME@VERSION`.
    script: Path | None
    variables: Mapping[str, str]
    bot: str | None = None
    trunk: str | None = None
    voice: str | None = None
    speed: float | None = None
    ring_timeout_s: float = 45.0
    max_call_s: float = 300.0


@dataclass(frozen=True)
class SingleResult:
    """How it ended; `conversation` is None when nobody answered."""

    attempt_id: str
    assigned: Assigned
    network: str | None
    talk_ms: int | None
    conversation: ConversationResult | None
    #: Why e-mails that the script wanted are not sent.
    unsent: tuple[str, ...] = ()


async def place(app: App, wanted: SingleCall, on_phase: PhaseListener) -> SingleResult:
    """Place the call and hold the conversation. Raises `CallRefused`, or the script's, models' or trunk's errors."""
    trunk = _trunk(app, wanted.trunk)
    number = await _callable_number(app, wanted.number)
    spoken = await _spoken(app, wanted)
    fill_variables(spoken.script, wanted.variables)
    opening = dialer_of(app.settings, trunk, app.clock)
    async with open_voicebots(app) as voicebots:
        conversation = await spoken.conversation(voicebots)
        await conversation.warm()
        await conversation.prepare(wanted.variables)
        async with opening as dialer:
            request = DialRequest(
                attempt_id=uuid4().hex,
                number=format_number(number, trunk.number_format, app.settings.account.region),
                ring_timeout_s=wanted.ring_timeout_s,
            )
            outcome = await dialer.dial(request, on_phase)
            if isinstance(outcome, NotAnswered):
                assigned = assign(outcome, None, None, talk_ms=None)
                return SingleResult(request.attempt_id, assigned, outcome.text, None, None)
            way = Way(dialer, None, lambda e164: format_number(e164, trunk.number_format, app.settings.account.region))
            agents = AgentLegs(way, app.clock)
            try:
                return await _talk(app, outcome, conversation, wanted, number=number, agents=agents)
            finally:
                await surely(agents.aclose())


async def _talk(
    app: App, call: Call, conversation: ScriptedConversation, wanted: SingleCall, *, number: str, agents: AgentLegs
) -> SingleResult:
    async def on_opt_out(opt_out: OptOut) -> None:
        async with app.database.write() as conn:
            now = app.clock.now()
            await add(conn, app.account_id, number, Source.OPT_OUT, now=now, evidence=opt_out.evidence)

    zone = app.settings.account.time_zone
    amd_status, amd_cause = (call.amd if isinstance(call, HasAmd) else None) or (None, None)
    job = Job(
        call.attempt_id,
        wanted.variables,
        wanted.max_call_s,
        on_opt_out,
        time_zone=zone,
        amd_status=amd_status,
        amd_cause=amd_cause,
        agents=agents,
    )
    result = await conversation.run(call, job)
    end = await call.ended()
    talk_ms = int((end.ended_at - call.answered_at).total_seconds() * 1000)
    assigned = assign(None, end, result, talk_ms=talk_ms)
    unsent = await _post(app, call.attempt_id, result)
    return SingleResult(call.attempt_id, assigned, end.text, talk_ms, result, unsent)


async def _post(app: App, attempt_id: str, result: ConversationResult) -> tuple[str, ...]:
    """Put the script's e-mails into the outbox, from which `campana serve` mails them; why some are not sent."""
    posted = post(attempt_id, result.mails)
    if posted.works:
        async with app.database.write() as conn:
            await enqueue_all(conn, posted.works, topic=TOPIC, now=app.clock.now())
    return posted.refused


async def _spoken(app: App, wanted: SingleCall) -> Spoken:
    """The script and how it is said; a voice and a speed that are wished for go before the bot's own."""
    if wanted.script is not None:
        own = Spoken(load_script(wanted.script))
    else:
        assert wanted.bot is not None
        own = (await find_bot(app, *read_bot(wanted.bot))).spoken
    return replace(own, voice=wanted.voice or own.voice, speed=wanted.speed or own.speed)


def _trunk(app: App, name: str | None) -> AnyTrunkSettings:
    trunks = app.settings.trunks
    found = [trunk for trunk in trunks if name in (None, trunk.name)]
    if not found:
        known = ", ".join(trunk.name for trunk in trunks) or "none yet"
        raise CallRefused(f"no trunk {name or ''!r} in the settings (known: {known}); see docs/reference/settings.md")
    return found[0]


async def _callable_number(app: App, raw: str) -> str:
    number = normalise(raw, app.settings.account.region)
    if isinstance(number, InvalidNumber):
        raise CallRefused(
            f"{raw!r} cannot be called: {number.reason}; write it with country code, such as +84901234567"
        )
    async with app.database.read() as conn:
        if against := (await listed(conn, whole_account(app.account_id), [number.e164])).get(number.e164):
            raise CallRefused(f"{raw!r} may not be called: {against.text}")
        live = select(attempts.c.id).where(attempts.c.number == number.e164, attempts.c.phase != "ended")
        if (await conn.execute(live.limit(1))).first() is not None:
            raise CallRefused(f"{raw!r} is in a call of a campaign now; try again when that has ended")
    return number.e164
