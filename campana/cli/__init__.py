"""The `campana` command."""
