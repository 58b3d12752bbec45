"""A single call can be put through to an agent like a campaign's, and leaves no leg behind."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.outcome import ConversationResult, EndedBy, Job, Transferred
from campana.application import open_app
from campana.cli.call import _as_data, _tell
from campana.settings import AccountSettings, Settings, TrunkSettings
from campana.single_call import SingleCall, SingleResult, place
from telephony.call import Call, DialRequest, NotAnswered, PhaseListener
from telephony.outcomes import DialStatus
from telephony.transfer import Target, TransferBy
from tests.support_network import Network, NetworkCall

NUMBER, AGENT = "+84901234567", "+842812345678"
SCRIPT = "script: small\nlanguage: en\nsteps:\n  greeting:\n    - say: Hello.\n    - end\n"


class Judged(NetworkCall):
    amd = ("HUMAN", "")


class Office(Network):
    """Customers are listened to by the PBX's AMD."""

    async def dial(self, request: DialRequest, on_phase: PhaseListener) -> Call | NotAnswered:
        call = await super().dial(request, on_phase)
        return Judged(request.attempt_id, self.clock) if request.number == NUMBER else call


class PuttingThrough:
    """A conversation that transfers, and forgets the agent."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    async def warm(self) -> None:
        """Nothing to say."""

    async def prepare(self, _variables: object) -> None:
        """Nothing to say."""

    async def run(self, call: Call, job: Job) -> ConversationResult:
        self.jobs.append(job)
        assert job.agents is not None
        target = Target("sales", AGENT)
        job.agents.began(target)
        agent = await job.agents.dial(target)
        await call.hangup()
        joined_ms = None if isinstance(agent, NotAnswered) else 2_500
        tried = Transferred("sales", AGENT, TransferBy.SECOND_LEG, 1_200, joined_ms=joined_ms)
        return ConversationResult(EndedBy.BOT, customer_spoke=True, transfer=tried)


async def _placed(
    network: Network, conversation: PuttingThrough, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> SingleResult:
    script = folder / "script.yaml"
    script.write_text(SCRIPT, encoding="utf-8")

    class Bots:
        async def scripted(self, *_args: Any, **_named: Any) -> PuttingThrough:
            return conversation

    @contextlib.asynccontextmanager
    async def bots(_app: object) -> AsyncIterator[Bots]:
        yield Bots()

    @contextlib.asynccontextmanager
    async def dialer(*_args: object) -> AsyncIterator[Network]:
        yield network

    monkeypatch.setattr("campana.single_call.open_voicebots", bots)
    monkeypatch.setattr("campana.single_call.dialer_of", dialer)
    settings = Settings(
        data_folder=folder,
        account=AccountSettings(name="Acme", region="VN"),
        trunks=(TrunkSettings(name="line", host="127.0.0.1"),),
    )
    async with open_app(settings) as app:
        return await place(app, SingleCall(NUMBER, script, {}), lambda _phase, _at: None)


async def test_the_agent_is_dialled_over_the_calls_trunk_and_let_go_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    network, conversation = Office.answering(), PuttingThrough()
    result = await _placed(network, conversation, tmp_path, monkeypatch)
    customer, agent = network.dialled
    assert (customer.number, agent.number) == (NUMBER, AGENT)
    assert customer.attempt_id == result.attempt_id != agent.attempt_id
    assert all(call._end.done() for call in network.calls if call.attempt_id == agent.attempt_id)
    assert (conversation.jobs[0].amd_status, conversation.jobs[0].amd_cause) == ("HUMAN", "")
    assert (result.assigned.code, result.assigned.call_status.value) == ("TR", "TRANSFERRED")
    told = _as_data(result)["transfer"]
    assert (told["target"], told["asked_ms"], told["joined_ms"]) == ("sales", 1_200, 2_500)
    _tell(result)
    assert "1.2 s  transfer  sales: joined at 2.5 s" in capsys.readouterr().out


async def test_an_agent_who_does_not_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    network = Office.answering(outcomes={AGENT: DialStatus.BUSY})
    result = await _placed(network, PuttingThrough(), tmp_path, monkeypatch)
    assert result.assigned.code == "ANP"
    _tell(result)
    assert "transfer  sales: nobody came" in capsys.readouterr().out
