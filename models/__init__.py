"""The speech models: which there are, where their files come from, and whether they are whole."""
