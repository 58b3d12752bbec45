"""Asking a SIP peer whether it is there: one OPTIONS over UDP (RFC 3261 §11), outside the SIP stack."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from telephony.errors import TelephonyError
from telephony.simulator.errors import SipSyntaxError
from telephony.simulator.sip import Headers, Request, Response, parse
from telephony.trunk import TrunkConfig

#: RFC 3261 §17.1.2.2: T1 doubles from 500 ms.
_T1_S: Final = 0.5


@dataclass(frozen=True)
class Reply:
    """The final answer to OPTIONS."""

    status: int
    reason: str

    def __str__(self) -> str:
        return f"answers {self.status} {self.reason}".rstrip()


class _Answers(asyncio.DatagramProtocol):
    def __init__(self, call_id: str) -> None:
        self._call_id = call_id
        self.answer: asyncio.Future[Reply | None] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        try:
            message = parse(data)
            mine = message.call_id == self._call_id
        except SipSyntaxError:
            return
        if mine and isinstance(message, Response) and message.status >= 200 and not self.answer.done():
            self.answer.set_result(Reply(message.status, message.reason))

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_result(None)


async def probe(trunk: TrunkConfig, *, timeout_s: float = 4.0) -> str | None:
    """What the trunk's peer answers to OPTIONS, in words, or None when nothing comes; see `ask`."""
    reply = await ask(trunk, timeout_s=timeout_s)
    return None if reply is None else str(reply)


async def ask(trunk: TrunkConfig, *, timeout_s: float = 4.0) -> Reply | None:
    """The peer's final answer to OPTIONS, or None when nothing comes; any answer shows that it is there.

    Raises `TelephonyError` when the host name cannot be resolved.
    """
    loop = asyncio.get_running_loop()
    call_id = uuid4().hex
    try:
        transport, answers = await loop.create_datagram_endpoint(
            lambda: _Answers(call_id), remote_addr=(trunk.host, trunk.port)
        )
    except OSError as error:
        raise TelephonyError(f"trunk {trunk.name!r}: {trunk.host}: {error}") from error
    try:
        request = _options(trunk, transport.get_extra_info("sockname"), call_id)
        async with asyncio.timeout(timeout_s):
            wait_s = _T1_S
            while True:
                transport.sendto(request)
                done, _ = await asyncio.wait({answers.answer}, timeout=wait_s)
                if done:
                    return answers.answer.result()
                wait_s *= 2
    except TimeoutError:
        return None
    finally:
        answers.answer.cancel()
        transport.close()


def _options(trunk: TrunkConfig, local: tuple[str, int], call_id: str) -> bytes:
    here = f"{local[0]}:{local[1]}"
    headers = Headers(
        [
            ("via", f"SIP/2.0/UDP {here};rport;branch=z9hG4bK{uuid4().hex}"),
            ("max-forwards", "70"),
            ("from", f"<sip:{trunk.user or 'campana'}@{local[0]}>;tag={uuid4().hex[:12]}"),
            ("to", f"<sip:{trunk.address}>"),
            ("call-id", call_id),
            ("cseq", "1 OPTIONS"),
            ("contact", f"<sip:campana@{here}>"),
        ]
    )
    return Request(headers, method="OPTIONS", uri=f"sip:{trunk.address}").encode()
