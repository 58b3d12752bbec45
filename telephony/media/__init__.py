"""Audio of calls that Asterisk makes for us: it connects to us, once for each call."""
