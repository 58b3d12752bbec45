"""Figures, charts, exports, mails and the audit: everything that is read from the database and shown."""
