"""Figures, charts, exports and the mailed report. Reads; never changes a campaign."""
