"""Which persona a dialled number belongs to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from telephony.simulator.persona import Persona

ANY = "*"
#: `+` and digits; `x` stands for any one digit. Or `*` for every number.
PATTERN = re.compile(r"\*|\+?[0-9][0-9x]{1,19}")

_COUNTRY_DIGITS = range(1, 4)


def normalise(dialled: str) -> str:
    """The digits of a dialled user part, without separators, `+` or the international prefix `00`.

    A national number keeps its leading 0, since its country is not known here.
    """
    digits = re.sub(r"[^0-9+]", "", dialled)
    return digits.removeprefix("+") if digits.startswith("+") else digits.removeprefix("00")


def _regex(pattern: str) -> re.Pattern[str]:
    return re.compile("[0-9]*" if pattern == ANY else pattern.removeprefix("+").replace("x", "[0-9]"))


def _national(pattern: str) -> Iterable[re.Pattern[str]]:
    """The forms in which the number is dialled at home: 0 for a country code of one to three digits."""
    if pattern.startswith("+"):
        for digits in _COUNTRY_DIGITS:
            yield _regex("0" + pattern[1 + digits :])


class Directory:
    """Finds the persona of a dialled number.

    An international match goes before a national one, and a pattern with fewer free digits before one with more.
    """

    def __init__(self, personas: Sequence[Persona]) -> None:
        claims = [(number, persona) for persona in personas for number in persona.numbers]
        claims.sort(key=lambda claim: (claim[0] == ANY, claim[0].count("x")))
        self._claims = [(_regex(number), persona) for number, persona in claims]
        self._national = [(form, persona) for number, persona in claims for form in _national(number)]
        self._known: dict[str, Persona | None] = {}

    def find(self, dialled: str) -> Persona | None:
        """The persona whose number or pattern is met, None for a number that nobody has."""
        digits = normalise(dialled)
        if digits not in self._known:
            self._known[digits] = self._search(digits)
        return self._known[digits]

    def _search(self, digits: str) -> Persona | None:
        claims = [*self._national, *self._claims] if digits.startswith("0") else self._claims
        return next((persona for form, persona in claims if form.fullmatch(digits)), None)
