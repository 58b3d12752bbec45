"""Where model files come from: each source gives one file at a time, unverified."""
