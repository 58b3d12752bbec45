"""What a user can get wrong on the command line; each message says where and what to do."""

from __future__ import annotations


class CampanaError(Exception):
    """A user's mistake or an unmet need, told without a traceback."""


class SettingsError(CampanaError):
    """The settings file or an environment variable cannot be used."""
