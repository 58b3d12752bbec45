"""Language models: what they are told, what of their wishes may happen, and the way to them."""
