"""What an ended call makes of its attempt and of its contact: pure functions, from facts to rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from billing.rating import AgentLeg, Rated, rate
from billing.tariff import with_destination
from bot.outcome import ConversationResult, LlmUsage, Transferred
from campaigns.codes import Assigned, CodeClass, CodeTable, agent_hung_up, assign
from campaigns.retries import DEFAULT_AFTER_MIN, Exhausted, Outcome, Retry, next_move, parse_rules
from campaigns.states import OPEN, CampaignState, ContactState
from storage.texts import storable
from storage.types import whole_ms
from telephony.call import CallEnd, NotAnswered
from telephony.outcomes import CallStatus, DialStatus, HangupBy

_MILLISECOND = timedelta(milliseconds=1)
_AGAIN_AFTER = timedelta(minutes=int(DEFAULT_AFTER_MIN))
#: A call-back that the customer asked for is made although the campaign's maximum is reached; once.
CALLBACK_EXTRA = 1
#: An INVITE that gets no answer is sent again for 32 s (RFC 3261 17.1.1.2, timer B).
_INVITE_LIVES = timedelta(seconds=33)
_TEXT_LENGTH = 200
_NAME_LENGTH = 64
_NUMBER_LENGTH = 128
# What a conversation may take to keep its recording is seconds; more is an outage of ours, or a clock that was set.
_LONGEST_ACW_MS = 60_000


@dataclass(frozen=True)
class Settlement:
    """The facts of an ended attempt: `dial` alone when nobody answered, else `end` and, unless lost, `result`."""

    dial: NotAnswered | None = None
    answered_at: datetime | None = None
    end: CallEnd | None = None
    result: ConversationResult | None = None
    #: Our node hung up before anybody answered, because it was told to end: neither contact nor owner wanted that.
    by_node: bool = False
    #: The dialer itself broke down over this call.
    dialer_failed: bool = False


@dataclass(frozen=True)
class Verdict:
    """An attempt's final figures."""

    assigned: Assigned
    rated: Rated
    #: Columns of the table attempts.
    values: Mapping[str, Any]


def _times(attempt: Mapping[str, Any], facts: Settlement, now: datetime) -> tuple[datetime | None, datetime]:
    answered_at = None if facts.dial else attempt["answered_at"] or facts.answered_at
    end = facts.dial or facts.end
    ended_at = attempt["ended_at"] or (end.ended_at if end else now)
    # A clock that was set back between two phases must not make a call of negative length.
    ended_at = max(ended_at, answered_at or attempt["originated_at"] or ended_at)
    return whole_ms(answered_at) if answered_at else None, whole_ms(ended_at)


def judge(
    attempt: Mapping[str, Any],
    campaign: Mapping[str, Any],
    facts: Settlement,
    now: datetime,
    *,
    month_blocks: int = 0,
    short_call_ms: int,
    tariff: Mapping[str, Any] | None = None,
) -> Verdict:
    """Code, bill and columns of one attempt; `attempt` and `campaign` are rows of those tables.

    `month_blocks` are the blocks that its account used earlier in the month. `tariff` is what the attempt's snapshot
    was taken of; an agent's leg needs its destination out of it.
    """
    answered_at, ended_at = _times(attempt, facts, now)
    talk_ms = (ended_at - answered_at) // _MILLISECOND if answered_at else None
    table = CodeTable.from_json(campaign["codes"])
    assigned = assign(facts.dial, facts.end, facts.result, talk_ms=talk_ms, table=table, short_call_ms=short_call_ms)
    transfer = facts.result.transfer if facts.result else None
    snapshot = _snapshot(attempt, transfer, tariff)
    bot_ms = _bot_ms(talk_ms, transfer)
    rated = rate(
        snapshot,
        talk_ms=talk_ms,
        number=attempt["number"],
        messages=facts.result.messages if facts.result else 0,
        family_code=assigned.default_code,
        script_type=campaign["script_type"],
        month_blocks=month_blocks,
        bot_ms=bot_ms,
        agent=AgentLeg(transfer.number, transfer.agent_ms) if transfer else None,
    )
    values = {
        "answered_at": answered_at,
        "ended_at": ended_at,
        "settled_at": now,
        "acw_ms": _acw_ms(attempt, now - ended_at) if answered_at else 0,
        **_network(facts, answered_at),
        **_spoken(facts.result),
        "bot_ms": bot_ms,
        # Most attempts keep the prices that they were claimed with: not written again.
        **({} if snapshot == attempt["tariff_snapshot"] else {"tariff_snapshot": snapshot}),
        **_handed(transfer),
        **_coded(assigned),
        **_billed(rated),
    }
    return Verdict(assigned, rated, values)


def _snapshot(
    attempt: Mapping[str, Any], transfer: Transferred | None, tariff: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The attempt's prices, with the agent's destination: rating reads nothing else."""
    snapshot: dict[str, Any] = attempt["tariff_snapshot"]
    if transfer is None or tariff is None or not transfer.agent_ms:
        return snapshot
    return with_destination(snapshot, tariff, transfer.number)


def _bot_ms(talk_ms: int | None, transfer: Transferred | None) -> int | None:
    if talk_ms is None or transfer is None or transfer.joined_ms is None:
        return talk_ms
    return min(talk_ms, max(0, transfer.asked_ms))


def _handed(transfer: Transferred | None) -> dict[str, Any]:
    if transfer is None:
        return {}
    return {
        "transfer_target": _clean(transfer.target, _NAME_LENGTH),
        "transfer_by": transfer.by.value,
        "transfer_number": _clean(transfer.number, _NUMBER_LENGTH),
        "transfer_asked_ms": transfer.asked_ms,
        "transfer_joined_ms": transfer.joined_ms,
        "transfer_text": _clean(transfer.text, _TEXT_LENGTH),
        "agent_ms": transfer.agent_ms,
    }


def _clean(text: str | None, longest: int) -> str | None:
    # PostgreSQL keeps no NUL.
    return text.replace("\0", "")[:longest] if text else None


def _acw_ms(attempt: Mapping[str, Any], passed: timedelta) -> int:
    """The wrap-up of an answered call; nobody wrapped up a lost one, however late it was found."""
    return 0 if attempt["lost"] else min(max(0, passed // _MILLISECOND), _LONGEST_ACW_MS)


def _network(facts: Settlement, answered_at: datetime | None) -> dict[str, Any]:
    end = facts.dial or facts.end
    status = DialStatus.ANSWER if answered_at else (facts.dial.dial_status if facts.dial else DialStatus.ERROR)
    return {
        "dial_status": status.value,
        "hangup_by": _hung_up_by(facts),
        "sip_code": end.sip_code if end else None,
        "q850": end.q850 if end else None,
        "ami_reason": facts.dial.reason if facts.dial else None,
        "network_text": _clean(end.text, _TEXT_LENGTH) if end else None,
    }


def _hung_up_by(facts: Settlement) -> str | None:
    # Where both legs are ours the network only saw us hang up after the agent had.
    if agent_hung_up(facts.result.transfer if facts.result else None, facts.end):
        return HangupBy.AGENT.value
    return facts.end.hangup_by.value if facts.end else None


def _spoken(result: ConversationResult | None) -> dict[str, Any]:
    if result is None:
        return {}
    return {
        "messages": result.messages,
        "spoke": result.messages > 0,
        "answer_to_first_word_ms": result.answer_to_first_word_ms,
        "amd": "MACHINE" if result.voicemail else None,
        "collected": storable(dict(result.collected)) or None,
        "llm_usage": [usage_row(usage) for usage in result.llm_usage] or None,
    }


def usage_row(usage: LlmUsage) -> dict[str, Any]:
    """One entry of `attempts.llm_usage`."""
    cost = usage.cost_usd
    return asdict(usage) | {"cost_usd": None if cost is None else format(cost, "f")}


def _coded(assigned: Assigned) -> dict[str, Any]:
    return {
        "call_status": assigned.call_status.value,
        "action_code": assigned.code,
        "code_class": assigned.code_class.value,
        "code_family": assigned.family,
        "generic_result": assigned.generic_result.value,
    }


def _billed(rated: Rated) -> dict[str, Any]:
    return {
        "blocks": rated.blocks,
        "billable_s": rated.billable_s,
        "cost_bot": rated.bot,
        "cost_telecom": rated.telecom,
        "cost_fees": rated.fees,
        "cost_vat": rated.vat,
        "agent_billable_s": rated.agent_billable_s,
        "cost_agent": rated.agent,
        "currency": rated.currency,
    }


@dataclass(frozen=True)
class NextContact:
    """Where the contact goes after an attempt."""

    state: ContactState
    next_at: datetime | None = None


@dataclass(frozen=True)
class Tried:
    """How often a contact was called, as the maximum counts it, and by which of its states it was chosen."""

    #: All of its placed attempts, this one last.
    history: Sequence[Outcome]
    #: Attempts that count, this one included.
    made: int
    #: Where the contact goes when this attempt is not held against it.
    came_from: ContactState
    #: The call failed by the trunk's fault in a way that no rule of the campaign can answer for.
    spared: bool = False


def counts(attempt: Mapping[str, Any], facts: Settlement) -> bool:
    """Whether an attempt counts towards the maximum: what our node broke off counts only when it had rung."""
    return not facts.by_node or attempt["ringing_at"] is not None or bool(facts.dial and facts.dial.rang)


def next_contact(
    assigned: Assigned,
    facts: Settlement,
    *,
    campaign: Mapping[str, Any],
    tried: Tried,
    opted_out: bool,
    now: datetime,
) -> NextContact:
    """Where the contact goes after an attempt of the campaign, which may have ended meanwhile."""
    if opted_out:
        return NextContact(ContactState.OPTED_OUT)
    # A spared contact goes out by another trunk, or waits until calls get through again.
    spared = NextContact(tried.came_from, now + _still_out(facts)) if tried.spared else None
    wanted = spared or _wanted(assigned, facts, campaign, tried, now)
    if wanted.next_at is None or campaign["state"] in OPEN:
        return wanted
    expired = campaign["state"] == CampaignState.EXPIRED
    return NextContact(ContactState.EXPIRED if expired else ContactState.CANCELLED)


def _still_out(facts: Settlement) -> timedelta:
    """How long a call that nobody answered for, not even with a refusal, may still reach the customer."""
    unanswered = facts.dial is not None and facts.dial.sip_code is None and facts.dial.q850 is None
    return _INVITE_LIVES if unanswered else timedelta()


def _wanted(
    assigned: Assigned, facts: Settlement, campaign: Mapping[str, Any], tried: Tried, now: datetime
) -> NextContact:
    max_attempts, result = campaign["max_attempts"], facts.result
    if facts.by_node:
        return _broken_off(tried, max_attempts, now)
    if result is not None and result.callback:
        if tried.made >= max_attempts + CALLBACK_EXTRA:
            return NextContact(ContactState.EXHAUSTED)
        return NextContact(ContactState.CALLBACK, max(result.callback_at or now + _AGAIN_AFTER, now))
    rules = parse_rules(campaign["retry_rules"])
    move = next_move(rules, max_attempts=max_attempts, history=tried.history, made=tried.made, now=now)
    match move:
        case Retry(at):
            return NextContact(ContactState.RETRY_WAIT, at)
        case Exhausted():
            return NextContact(ContactState.EXHAUSTED)
        case _:
            return NextContact(resting(assigned.call_status, assigned.code_class))


def _broken_off(tried: Tried, max_attempts: int, now: datetime) -> NextContact:
    """Back to where the contact came from, but not at once: its telephone may have rung a moment ago."""
    allowed = max_attempts + (CALLBACK_EXTRA if tried.came_from is ContactState.CALLBACK else 0)
    if tried.made >= allowed:
        return NextContact(ContactState.EXHAUSTED)
    return NextContact(tried.came_from, now + _AGAIN_AFTER)


def resting(call_status: CallStatus, code_class: CodeClass) -> ContactState:
    """Where a contact rests whom no rule calls again after such a call."""
    if call_status is CallStatus.INVALID_NUMBER:
        return ContactState.INVALID
    match code_class:
        case CodeClass.SUCCESS:
            return ContactState.DONE
        case CodeClass.UNSUCCESSFUL:
            return ContactState.EXHAUSTED
        case CodeClass.ERROR:
            return ContactState.ERROR
        case CodeClass.NOT_COUNTED:
            return ContactState.CANCELLED
