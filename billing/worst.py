"""The most that one call may cost: what is set aside for it before it is placed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from billing.blocks import Increment
from billing.rating import rate
from billing.tariff import Tariff, Telecom


def messages_at_most(talk_ms: int) -> int:
    """A bound on the messages of a talk: one for every second begun, and one."""
    return -(-talk_ms // 1000) + 1


def most(tariff: Tariff, number: str, *, talk_ms: int, script_type: str = "conversation") -> Decimal:
    """The highest bill, VAT included, of a billed call of at most `talk_ms` to this number without an agent's leg.

    Every block is taken at the dearest tier of the script type, whatever the account has used in the month.
    """
    dearest = max(tier.price for tier in tariff.tiers(script_type))
    snapshot = tariff.snapshot(number) | {"block_price": [{"from_blocks": 0, "price": format(dearest, "f")}]}
    messages = messages_at_most(talk_ms)
    return rate(snapshot, talk_ms=talk_ms, number=number, messages=messages, family_code="HUP").total


def least_of_most(tariff: Tariff, *, talk_ms: int, script_type: str = "conversation") -> Decimal:
    """The same for the cheapest destination of the tariff."""
    numbers = ["", *(prefix for destination in tariff.telecom.destinations for prefix in destination.prefixes)]
    return min(most(tariff, number, talk_ms=talk_ms, script_type=script_type) for number in _one_each(tariff, numbers))


def floor_of_most(tariff: Tariff, *, talk_ms: int, script_type: str = "conversation") -> Decimal:
    """No more than `most` of any number: one bill by the second at the lowest price of a minute, however many
    destinations the tariff has."""
    prices = [tariff.telecom.price_per_min, *(one.price_per_min for one in tariff.telecom.destinations)]
    line = Telecom(increment=Increment(1, 1), price_per_min=min(prices))
    return most(tariff.model_copy(update={"telecom": line}), "", talk_ms=talk_ms, script_type=script_type)


def _one_each(tariff: Tariff, numbers: list[str]) -> list[str]:
    """One number for each price on the line."""
    prices: dict[Any, str] = {}
    for number in numbers:
        found = tariff.telecom.destination(number)
        prices.setdefault(None if found is None else found.name, number)
    return list(prices.values())
