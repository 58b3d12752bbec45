"""A bare SIP trunk, over baresip."""
