"""The `campana` command: one module for each group of commands."""

from bot.speech.environment import prepare_environment

# Here, because this runs before any module of the command imports a speech library.
prepare_environment()
