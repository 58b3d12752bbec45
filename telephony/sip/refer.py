"""Handing an answered call over: REFER, and what NOTIFY tells of it (RFC 3515; RFC 5589 section 6, unattended)."""

from __future__ import annotations

import re

import structlog
from baresip.errors import BaresipError, TransferFailed

from telephony.errors import InvalidNumber, TelephonyError
from telephony.sip.leg import Leg, LegState
from telephony.transfer import HandOver
from telephony.trunk import TrunkConfig, format_number, is_diallable

_log = structlog.get_logger(__name__)
_URI = re.compile(r"sips?:[^\s<>\"\\,?]+", re.IGNORECASE)
_MAX_URI = 256


class InvalidTarget(TelephonyError):
    """An agent's number or address cannot be sent to the network."""


def refer_to(number: str, trunk: TrunkConfig, region: str | None = None) -> str:
    """The URI for Refer-To: a SIP URI as it is, a number as the trunk wants it, at the trunk's own host.

    E.164 is written in the trunk's form, `region` being where its national form holds; anything else that can be
    dialled stays as it is (an extension). Raises `InvalidTarget`.
    """
    if ":" in number:
        if not _URI.fullmatch(number) or not number.isprintable() or len(number) > _MAX_URI:
            raise InvalidTarget(f"{number!r} is no SIP URI that can be sent; write it as sip:agent@example.net")
        return number
    if not is_diallable(number):
        raise InvalidTarget("the agent's number holds other characters than digits, *, # and a leading +")
    try:
        written = format_number(number, trunk.number_format, region) if number.startswith("+") else number
    except InvalidNumber as exc:
        raise InvalidTarget(str(exc)) from exc
    transport = "" if trunk.transport == "udp" else f";transport={trunk.transport}"
    return f"sip:{written.replace('#', '%23')}@{trunk.address}{transport}"


async def refer(leg: Leg, uri: str, ring_s: float) -> HandOver:
    """Ask the far end to call `uri` in our stead, and wait for what it tells; never raises for what it does.

    The stack ends the call itself when NOTIFY tells of a 2xx, and leaves it as it is after every other end.
    """
    if leg.call is None or leg.state is not LegState.ESTABLISHED or leg.hanging_up:
        return _ended(leg)
    try:
        await leg.call.transfer(f"<{uri}>", timeout=ring_s)
    except TransferFailed as exc:
        text = " ".join(str(part) for part in (exc.status, exc.reason) if part) or str(exc)
    except BaresipError as exc:
        text = f"the call could not be handed over: {exc}"
    else:
        text = "the agent answered"
    _log.info("sip.handed_over", attempt_id=leg.attempt_id, answered=leg.handed_over, text=text)
    if leg.closed.is_set():
        return _ended(leg)
    return HandOver(answered=False, at=leg.now(), kept=not leg.hanging_up, text=text)


def _ended(leg: Leg) -> HandOver:
    if leg.handed_over:
        return HandOver(answered=True, at=leg.ended_at or leg.now(), text="200 OK")
    return HandOver(answered=False, at=leg.ended_at or leg.now(), text="the call ended before an agent answered")
