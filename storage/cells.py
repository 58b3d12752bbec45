"""Text as it may stand in a cell that a spreadsheet program opens."""

from __future__ import annotations

import re
from typing import Final

#: What spreadsheets take for the beginning of a formula, their full-width forms included (OWASP: CSV injection).
_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_PLAIN_NUMBER = re.compile(r"[+-]?\d[\d .,]*\Z", re.ASCII)


def safe_cell(text: str) -> str:
    """The text, with an apostrophe before it when a spreadsheet would run it as a formula.

    Signed numbers, and so telephone numbers in E.164, stay as they are: they compute nothing.
    """
    if text.lstrip(" \u00a0").startswith(_STARTS) and not _PLAIN_NUMBER.match(text):
        return f"'{text}"
    return text
