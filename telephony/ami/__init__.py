"""Asterisk by its manager interface (AMI): a codec without I/O, a client, and a dialer."""
