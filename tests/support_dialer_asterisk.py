"""An Asterisk shared by the tests of a module, and dialers that call through it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from telephony.ami.account import AmiTimes
from telephony.ami.dialer import AsteriskDialer
from telephony.call import Call, CallPhase, DialRequest, NotAnswered
from telephony.trunk import AsteriskTrunk
from tests.support_asterisk import Asterisk, require_asterisk
from tests.support_asterisk_config import HOST, Options, Trunk
from tests.support_sip import Listener, share_heard
from tests.support_sipp import free_port

NUMBER = "+84912345678"
#: Quick to come back, so that tests of lost connections are short; patient with an Asterisk on a loaded machine.
TIMES = AmiTimes(
    connect_s=20.0, action_s=20.0, ping_every_s=0.5, ping_timeout_s=20.0, first_wait_s=0.05, longest_wait_s=0.5
)


class Phases(list[CallPhase]):
    def __call__(self, phase: CallPhase, _at: datetime) -> None:
        self.append(phase)


def _apart(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run in a loop of its own, which is not the test's."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(work())).result()


@contextlib.contextmanager
def shared_asterisk(folder: Path, *, trunks: Mapping[str, Trunk] | None = None, **options: Any) -> Iterator[Asterisk]:
    """A booted Asterisk for the tests of a module. Its endpoint "trunk" reaches any address: see `through`."""
    require_asterisk()
    pbx = Asterisk(folder, Options(trunks={"trunk": Trunk(free_port()), **(trunks or {})}, **options))
    try:
        _apart(pbx.boot)
        yield pbx
    finally:
        _apart(pbx.aclose)


def through(pbx: Asterisk, dial_string: str | int, **changes: Any) -> AsteriskTrunk:
    """The trunk of a dial string, or of a far end at a port of this machine."""
    if isinstance(dial_string, int):
        dial_string = f"PJSIP/trunk/sip:{{number}}@{HOST}:{dial_string}"
    settings = {"port": pbx.ami_port, "user": pbx.ami_user, "password": pbx.ami_secret, **changes}
    return AsteriskTrunk("pbx", HOST, dial_string, **settings)


@contextlib.asynccontextmanager
async def dialer(
    pbx: Asterisk, dial_string: str | int, *, times: AmiTimes = TIMES, **changes: Any
) -> AsyncIterator[AsteriskDialer]:
    async with AsteriskDialer(through(pbx, dial_string, **changes), times=times) as opened:
        yield opened


async def dial(
    opened: AsteriskDialer, number: str = NUMBER, *, attempt_id: str | None = None, **changes: Any
) -> tuple[Call | NotAnswered, Phases]:
    phases = Phases()
    request = DialRequest(attempt_id or uuid4().hex, number, **{"ring_timeout_s": 20.0, **changes})
    async with asyncio.timeout(60):
        return await opened.dial(request, phases), phases


async def unanswered(opened: AsteriskDialer, number: str = NUMBER, **changes: Any) -> tuple[NotAnswered, Phases]:
    result, phases = await dial(opened, number, **changes)
    assert isinstance(result, NotAnswered)
    assert opened.live_calls == 0
    return result, phases


async def answered(opened: AsteriskDialer, number: str = NUMBER, **changes: Any) -> Call:
    result, phases = await dial(opened, number, **changes)
    assert not isinstance(result, NotAnswered), result
    assert phases[0] is CallPhase.ORIGINATING
    assert phases[-1] is CallPhase.ANSWERED
    return result


async def no_channels(pbx: Asterisk) -> None:
    """Asterisk has no call left."""
    await pbx.until_cli("core show channels count", "0 active channels")


async def comes_back(call: Call, sent: bytes, rate_hz: int) -> None:
    """Somebody echoes what we send. A machine that stands still spoils what it plays then, so it is sent again."""
    listener = Listener(call)
    async with asyncio.timeout(60):
        before, share = 0, 0.0
        while share <= 0.6:
            before = len(listener.frames)
            await call.media.write(sent)
            await listener.until_frames(before + 60, 60.0)
            share = share_heard(sent, b"".join(listener.frames[before:]), rate_hz)
    await listener.stop()
