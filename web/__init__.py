"""The dashboard: pages, live events and downloads."""
