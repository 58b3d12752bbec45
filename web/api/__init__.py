"""The REST API under /api/v1: what the dashboard and the command line do, for programs (docs/reference/api.md)."""
