"""Who we are on a trunk: the registration, and one SIP identity for each caller ID."""

from __future__ import annotations

import asyncio
import contextlib

import structlog
from baresip import Account, UserAgent
from baresip.errors import BaresipError, RegistrationError

from telephony.errors import RegistrationFailed
from telephony.sip.runtime import SipRuntime
from telephony.sip.settings import OPUS_RATE_HZ
from telephony.trunk import TrunkConfig

_log = structlog.get_logger(__name__)
_REGISTER_S = 10.0
_WITHDRAW_S = 2.0
_REFRESH_S = 300
_DEFAULT_USER = "campana"
_STACK_CODECS = {"pcmu": "pcmu", "pcma": "pcma", "g722": "g722/16000/1", "opus": f"opus/{OPUS_RATE_HZ}/1"}


class Accounts:
    """The user agents of one trunk.

    The stack binds the From header to a user agent and never frees one, so there is one for each caller ID that
    was ever used, made at its first call.
    """

    def __init__(self, trunk: TrunkConfig) -> None:
        self._trunk = trunk
        self._registered: UserAgent | None = None
        self._callers: dict[str, UserAgent] = {}
        self._making = asyncio.Lock()

    async def open(self, runtime: SipRuntime) -> None:
        """Register, if the trunk wants it; raises `RegistrationFailed`."""
        if not self._trunk.register:
            return
        agent = await runtime.user_agent(self._account(self._user(), refresh_s=_REFRESH_S))
        await self._register(agent)
        self._registered = agent

    async def _register(self, agent: UserAgent) -> None:
        try:
            await agent.register(timeout=_REGISTER_S)
        except (RegistrationError, BaresipError) as exc:
            raise RegistrationFailed(f"trunk {self._trunk.name!r} at {self._trunk.address}: {exc}") from exc

    @property
    def registers(self) -> bool:
        """Whether the trunk knows us by a registration."""
        return self._registered is not None

    async def renew(self) -> None:
        """Register once more, now; raises `RegistrationFailed`."""
        if self._registered is not None:
            await self._register(self._registered)

    async def close(self) -> None:
        """Take the registration back."""
        agent, self._registered = self._registered, None
        if agent is None:
            return
        with contextlib.suppress(BaresipError):
            await agent.unregister(timeout=_WITHDRAW_S)

    async def caller(self, caller_id: str | None, runtime: SipRuntime) -> tuple[UserAgent, dict[str, str]]:
        """The user agent to call with, and the headers that name the caller; raises `SipStackError`."""
        shown = caller_id or self._trunk.caller_id
        if shown is None or self._trunk.caller_id_in == "from":
            return await self._agent(shown or self._user(), runtime), {}
        asserted = {"P-Asserted-Identity": f"<sip:{shown}@{self._trunk.host}>"}
        return await self._agent(self._user(), runtime), asserted

    async def _agent(self, user: str, runtime: SipRuntime) -> UserAgent:
        async with self._making:
            if user not in self._callers:
                self._callers[user] = await runtime.user_agent(self._account(user))
            return self._callers[user]

    def _user(self) -> str:
        return self._trunk.user or _DEFAULT_USER

    def _account(self, user: str, refresh_s: int = 0) -> Account:
        trunk = self._trunk
        return Account(
            user=user,
            domain=trunk.address,
            password=trunk.password or "",
            registrar=trunk.outbound_proxy,
            reg_interval=refresh_s,
            transport=trunk.transport,
            audio_codecs=tuple(_STACK_CODECS[codec] for codec in trunk.codecs),
            auth_user=trunk.auth_user or trunk.user,
        )
