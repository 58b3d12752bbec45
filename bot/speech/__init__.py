"""Ears and voice: recognition and synthesis with models shared by all calls of a process."""
