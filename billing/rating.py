"""What one attempt costs, from its price snapshot alone (VOCABULARY: Billing)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from billing import blocks as counting
from billing.currency import round_money
from billing.tariff import Tariff, Tier, stored_tariff

_SECONDS_A_MINUTE = 60


@dataclass(frozen=True)
class AgentLeg:
    """The call to an agent that a transfer placed, from its answer to its end."""

    number: str
    ms: int


@dataclass(frozen=True)
class Rated:
    """The bill of one attempt; amounts are in whole smallest units of the currency."""

    blocks: int
    #: Seconds on the customer's line that the telecom price was applied to.
    billable_s: int
    bot: Decimal
    #: Both legs.
    telecom: Decimal
    fees: Decimal
    vat: Decimal
    currency: str
    #: False for an attempt that is not charged at all; such a one gets no posting in the ledger.
    billed: bool = True
    #: Seconds on the agent's line, and what they cost; the cost is contained in `telecom`.
    agent_billable_s: int = 0
    agent: Decimal = Decimal(0)

    @property
    def total(self) -> Decimal:
        """What leaves the prepaid balance, or for a rehearsal the book of rehearsals; VAT included."""
        return self.bot + self.telecom + self.fees + self.vat


def rate(
    snapshot: Mapping[str, Any],
    *,
    talk_ms: int | None,
    number: str,
    messages: int,
    family_code: str,
    script_type: str = "conversation",
    month_blocks: int = 0,
    bot_ms: int | None = None,
    agent: AgentLeg | None = None,
) -> Rated:
    """Rate one attempt.

    `talk_ms` is None when nobody answered. Blocks are counted of `bot_ms`, the part of the talk that was the bot's
    (None: all of it); the line is charged for the whole talk, and for `agent`'s leg by its own destination and
    increment. An agent whose number is not E.164 is an extension inside the telephone system and costs no line.
    `family_code` is the default action code that tells how the call ended (`Assigned.default_code`) or its family
    (`Assigned.family`). `month_blocks` are the blocks the account used earlier in the month; each block is priced by
    the tier that its own number falls into. Every amount, and each leg's, is rounded half up to the currency's
    smallest unit, VAT last, on the sum of the rounded amounts.
    Raises `TariffError` when the snapshot is none.
    """
    tariff = stored_tariff(snapshot, source="price snapshot")
    if talk_ms is None or not _charged(tariff, family_code):
        return _unbilled(tariff.currency)
    bots = talk_ms if bot_ms is None else min(bot_ms, talk_ms)
    used = counting.blocks(bots, tariff.block_s, min_blocks_on_answer=tariff.min_blocks_on_answer)
    bot = round_money(tier_price(tariff.tiers(script_type), month_blocks, used), tariff.currency)
    billable_s, line = _telecom(tariff, talk_ms, number)
    agent_s, agents = _agent(tariff, agent)
    fees = round_money(tariff.per_call_fee + messages * tariff.per_message_fee, tariff.currency)
    telecom = line + agents
    vat = round_money((bot + telecom + fees) * tariff.vat_pct / 100, tariff.currency)
    return Rated(used, billable_s, bot, telecom, fees, vat, tariff.currency, agent_billable_s=agent_s, agent=agents)


def tier_price(tiers: Sequence[Tier], month_blocks: int, used: int) -> Decimal:
    """The price of `used` blocks after `month_blocks` earlier ones, not rounded."""
    total = Decimal(0)
    ends: list[int | None] = [tier.from_blocks for tier in tiers[1:]]
    last = month_blocks + used
    for tier, end in zip(tiers, [*ends, None], strict=True):
        upper = last if end is None else min(last, end)
        total += max(0, upper - max(month_blocks, tier.from_blocks)) * tier.price
    return total


def _charged(tariff: Tariff, code: str) -> bool:
    if code == "SC":
        return tariff.charge_short_calls
    # An answered call of the family NA is a voicemail: nobody, only a machine, was there.
    if code in {"VM", "NA"}:
        return tariff.charge_voicemail
    return code not in {"ER", "CU", "XC"}


def _telecom(tariff: Tariff, talk_ms: int, number: str) -> tuple[int, Decimal]:
    destination = tariff.telecom.destination(number)
    price = tariff.telecom.price_per_min if destination is None else destination.price_per_min
    own = None if destination is None else destination.increment
    seconds = counting.billable_seconds(talk_ms, own or tariff.telecom.increment, free_s=tariff.free_s)
    return seconds, round_money(seconds * price / _SECONDS_A_MINUTE, tariff.currency)


def _agent(tariff: Tariff, leg: AgentLeg | None) -> tuple[int, Decimal]:
    if leg is None or not leg.number.startswith("+"):
        return 0, round_money(Decimal(0), tariff.currency)
    return _telecom(tariff, leg.ms, leg.number)


def _unbilled(currency: str) -> Rated:
    nought = round_money(Decimal(0), currency)
    return Rated(0, 0, nought, nought, nought, nought, currency, billed=False, agent=nought)
