"""Simulated customers: real SIP and RTP on loopback, behaving as their personas say."""
