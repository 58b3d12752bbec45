"""What one attempt costs, from its price snapshot alone (VOCABULARY: Billing)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from billing import blocks as counting
from billing.currency import round_money
from billing.tariff import Tariff, Tier, parse_tariff

_SECONDS_A_MINUTE = 60


@dataclass(frozen=True)
class Rated:
    """The bill of one attempt; amounts are in whole smallest units of the currency."""

    blocks: int
    #: Seconds on the line that the telecom price was applied to.
    billable_s: int
    bot: Decimal
    telecom: Decimal
    fees: Decimal
    vat: Decimal
    currency: str
    #: False for an attempt that is not charged at all; such a one gets no posting in the ledger.
    billed: bool = True

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
) -> Rated:
    """Rate one attempt.

    `talk_ms` is None when nobody answered. `family_code` is the default action code that tells how the call
    ended (`Assigned.default_code`) or its family (`Assigned.family`). `month_blocks` are the blocks the account
    used earlier in the month; each block is priced by the tier that its own number falls into.
    Every amount is rounded half up to the currency's smallest unit, VAT last, on the sum of the rounded amounts.
    Raises `TariffError` when the snapshot is none.
    """
    tariff = parse_tariff(snapshot, source="price snapshot")
    if talk_ms is None or not _charged(tariff, family_code):
        return _unbilled(tariff.currency)
    used = counting.blocks(talk_ms, tariff.block_s, min_blocks_on_answer=tariff.min_blocks_on_answer)
    bot = round_money(tier_price(tariff.tiers(script_type), month_blocks, used), tariff.currency)
    billable_s, telecom = _telecom(tariff, talk_ms, number)
    fees = round_money(tariff.per_call_fee + messages * tariff.per_message_fee, tariff.currency)
    vat = round_money((bot + telecom + fees) * tariff.vat_pct / 100, tariff.currency)
    return Rated(used, billable_s, bot, telecom, fees, vat, tariff.currency)


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


def _unbilled(currency: str) -> Rated:
    nought = round_money(Decimal(0), currency)
    return Rated(0, 0, nought, nought, nought, nought, currency, billed=False)
