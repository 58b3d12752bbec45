"""What is asked of an answered channel: its keys, its variables."""

from __future__ import annotations

import asyncio
import re
from typing import Final

import structlog

from telephony.ami.client import AmiClient
from telephony.ami.errors import ActionRefused, AmiError, AmiUnreachable
from telephony.ami.leg import Leg
from telephony.media.keys import TONE_MS

_log = structlog.get_logger(__name__)

#: The customer has picked up and hears nothing until this is known; a manager interface in order answers at once.
_VARIABLES_S: Final = 2.0
_AMD_STATUS: Final = re.compile(r"HUMAN|MACHINE|NOTSURE|HANGUP")


async def press_key(client: AmiClient, leg: Leg, key: str) -> bool:
    """Press a key on the customer's channel (RFC 4733, or what the channel driver has); False when Asterisk did not.

    Needs write = call. Asterisk answers when the key is released.
    """
    if not client.connected:
        return False
    try:
        fields = [("Channel", leg.attempt_id), ("Digit", key), ("Duration", str(TONE_MS))]
        await client.action("PlayDTMF", fields)
    except AmiUnreachable as exc:
        # It may have been pressed, and a key that comes twice does more harm than one that is missing.
        _log.warning("ami.key_unconfirmed", attempt_id=leg.attempt_id, reason=str(exc))
    except ActionRefused as exc:
        _log.warning("ami.key_refused", attempt_id=leg.attempt_id, reason=str(exc))
        return False
    return True


async def amd_result(client: AmiClient, leg: Leg) -> tuple[str, str] | None:
    """AMDSTATUS and AMDCAUSE of AMD() where the dialplan ran it on any of the call's channels."""
    try:
        async with asyncio.timeout(_VARIABLES_S):
            for channel in sorted(leg.channels):
                status = await _variable(client, channel, "AMDSTATUS")
                if _AMD_STATUS.fullmatch(status):
                    return status, await _variable(client, channel, "AMDCAUSE")
    except TimeoutError:
        _log.warning("ami.amd_unknown", attempt_id=leg.attempt_id)
    return None


async def _variable(client: AmiClient, channel: str, name: str) -> str:
    """Empty where there is none, or Asterisk does not tell."""
    try:
        return (await client.action("Getvar", [("Channel", channel), ("Variable", name)])).get("Value")
    except AmiError as exc:
        _log.debug("ami.variable_unknown", channel=channel, variable=name, reason=str(exc))
        return ""
