"""Ready scripts and the conversations that they must hold, to begin one's own from; see `bot.script.templates`."""
