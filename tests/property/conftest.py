"""Property tests give the same answer on every machine and at every load."""

from hypothesis import settings

settings.register_profile("campana", derandomize=True, deadline=None)
settings.load_profile("campana")
