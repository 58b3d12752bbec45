"""One dialling node: trunks, voicebots, runner and outbox, opened and closed as one."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

from campaigns.attempts import Ledger
from campaigns.nodes import node_name
from campaigns.runner import Runner, RunnerSettings
from campana.application import App
from campana.calling import calling_rules
from campana.errors import SettingsError
from campana.mailing import open_outbox
from campana.settings import BREAKER_FIELDS, AnyTrunkSettings, AsteriskTrunkSettings, Settings, TrunkSettings
from campana.voicebots import Voicebots, open_voicebots
from storage.clock import Clock
from storage.notify import open_notices
from storage.outbox import OutboxWorker
from telephony.ami.dialer import AsteriskDialer
from telephony.sip.dialer import SipDialer
from telephony.sip.settings import SipSettings
from telephony.trunk import AsteriskTrunk, TrunkConfig, format_number

AnyDialer = SipDialer | AsteriskDialer


@dataclass(frozen=True)
class Node:
    """What dials: the runner with its ledger, the voicebots that talk, the outbox that mails."""

    app: App
    runner: Runner
    voicebots: Voicebots
    outbox: OutboxWorker


@contextlib.asynccontextmanager
async def open_node(app: App) -> AsyncIterator[Node]:
    """Open trunks and voicebots; on the way out live calls are hung up, settled, and the outbox gets a last look.

    Raises `TelephonyError` for a trunk that cannot be used, `ModelError` for a missing model.
    """
    settings = app.settings
    async with contextlib.AsyncExitStack() as stack:
        voicebots = await stack.enter_async_context(open_voicebots(app))
        dialers = await _open_trunks(stack, app)
        notices = await stack.enter_async_context(open_notices(app.database))
        outbox = await stack.enter_async_context(open_outbox(app, notices))
        ledger = Ledger(
            app.database,
            app.clock,
            node=node_name(settings.node.name),
            lease_s=settings.node.lease_s,
            rules=calling_rules(settings),
            on_finished=lambda _finished: outbox.notify(),
        )
        runner = Runner(
            app.database,
            ledger,
            dialers,
            voicebots,
            app.clock,
            settings=RunnerSettings(calls=settings.node.calls),
            format_number=_formatter(settings),
            notices=notices,
        )
        for dialer in dialers.values():
            if isinstance(dialer, SipDialer):
                # Dialling on would only use up the contacts' attempts; a restarted process goes on where this stopped.
                dialer.when_dead(runner.drain)
        yield Node(app, runner, voicebots, outbox)


async def _open_trunks(stack: contextlib.AsyncExitStack, app: App) -> Mapping[str, AnyDialer]:
    dialers: dict[str, AnyDialer] = {}
    for trunk in app.settings.trunks:
        dialers[trunk.name] = await stack.enter_async_context(dialer_of(app.settings, trunk, app.clock))
    return dialers


def dialer_of(settings: Settings, trunk: AnyTrunkSettings, clock: Clock) -> AnyDialer:
    """The dialer of a trunk, to be entered; raises `InvalidTrunk`, `SettingsError`."""
    if isinstance(trunk, AsteriskTrunkSettings):
        return AsteriskDialer(asterisk_trunk(trunk), clock)
    return SipDialer(trunk_config(trunk), sip_settings(settings), clock, region=settings.account.region)


def asterisk_trunk(trunk: AsteriskTrunkSettings) -> AsteriskTrunk:
    """The trunk of the settings as telephony knows it; raises `InvalidTrunk`."""
    fields = dict(trunk) | {"password": trunk.password.get_secret_value()}
    return AsteriskTrunk(**{name: value for name, value in fields.items() if name not in BREAKER_FIELDS})


def trunk_config(trunk: TrunkSettings) -> TrunkConfig:
    """The trunk of the settings as telephony knows it; raises `InvalidTrunk`."""
    return TrunkConfig(
        name=trunk.name,
        host=trunk.host,
        port=trunk.port,
        transport=trunk.transport,
        user=trunk.user,
        password=trunk.password.get_secret_value() if trunk.password else None,
        register=trunk.register_account,
        number_format=trunk.number_format,
        auth_user=trunk.auth_user,
        outbound_proxy=trunk.outbound_proxy,
        codecs=trunk.codecs,
        caller_id=trunk.caller_id,
        caller_ids=trunk.caller_ids,
        caller_id_in=trunk.caller_id_in,
        channels=trunk.channels,
        cps=trunk.cps,
    )


def sip_settings(settings: Settings) -> SipSettings:
    """The settings of the one stack that all SIP trunks share.

    Without `sip.bind` it binds to loopback when every one of them is there, and finds an address otherwise. Raises
    `SettingsError` for a trunk on loopback beside one that is not: one stack cannot call both.
    """
    sip = settings.sip
    binds = {
        trunk.name: SipSettings.reaching(trunk_config(trunk)).bind
        for trunk in settings.trunks
        if isinstance(trunk, TrunkSettings)
    }
    if sip.bind is None and len(set(binds.values())) > 1:
        here = ", ".join(name for name, bind in binds.items() if bind is not None)
        raise SettingsError(
            f"trunks: {here} is on this machine's loopback and the others are not; one SIP stack serves all trunks, "
            "so give each its own settings file, or set sip.bind to an address that reaches them all"
        )
    bind = sip.bind or next(iter(binds.values()), None)
    return SipSettings(bind=bind, listen_port=sip.listen_port, rtp_ports=sip.rtp_ports)


def _formatter(settings: Settings) -> Callable[[str, str], str]:
    formats = {trunk.name: trunk.number_format for trunk in settings.trunks}
    return lambda trunk, number: format_number(number, formats[trunk], settings.account.region)
