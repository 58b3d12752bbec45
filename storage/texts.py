"""Text as both engines can keep it."""

from __future__ import annotations

import re
from typing import Any

#: PostgreSQL refuses NUL in text, and neither engine takes half of a surrogate pair.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable(value: Any) -> Any:
    """`value` (text, or lists and mappings of such) without characters that a database refuses.

    What machines write, recognisers and language models too, may hold them.
    """
    match value:
        case str():
            return _UNSTORABLE.sub("", value)
        case dict():
            return {storable(key): storable(each) for key, each in value.items()}
        case list() | tuple():
            return [storable(each) for each in value]
        case _:
            return value
