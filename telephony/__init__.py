"""Dialling and media: how a call is placed, what the network said, and the audio both ways."""
