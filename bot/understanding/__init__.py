"""What the customer meant: intents, keywords and call-back times."""
