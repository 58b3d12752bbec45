"""Asking paused trunks whether calls can be placed over them again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog

from campaigns.trunks import Trunks
from telephony.call import Dialer
from telephony.probing import CanProbe, Probe

log = structlog.get_logger(__name__)

#: A dialer's own bound is shorter; one that hangs must not keep the others' trunks paused.
_PROBE_S = 20.0


class TrunkProbing:
    """Probes the paused trunks of one node, each as often as its back-off allows."""

    def __init__(self, trunks: Trunks, dialers: Mapping[str, Dialer]) -> None:
        self._trunks = trunks
        self._dialers = dialers

    async def look(self) -> bool:
        """Probe what is due now; whether a trunk is open for a trial call since."""
        names = await self._trunks.take_probes(list(self._dialers))
        probes = await asyncio.gather(*(self._probe(name) for name in names), return_exceptions=True)
        for name, failure in zip(names, probes, strict=True):
            if isinstance(failure, Exception):
                log.error("probe_not_noted", trunk=name, exc_info=failure)
        return any(found is True for found in probes)

    async def _probe(self, name: str) -> bool:
        found = await _ask(self._dialers[name])
        log.info("trunk_probed", trunk=name, ok=found.ok, found=found.text)
        await self._trunks.note_probe(name, ok=found.ok)
        return found.ok


async def _ask(dialer: Dialer) -> Probe:
    if not isinstance(dialer, CanProbe):
        return Probe(True, "cannot be asked; a call will tell")
    try:
        async with asyncio.timeout(_PROBE_S):
            return await dialer.probe()
    except TimeoutError:
        return Probe(False, "the probe did not come back")
    except Exception as exc:
        log.exception("probe_failed")
        return Probe(False, f"the probe failed: {exc}")
