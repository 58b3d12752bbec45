"""What a call costs: tariffs, blocks, rating, and the money ledger."""
