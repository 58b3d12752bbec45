"""Who is called, when and how often: lists, windows, retries, the attempt ledger and the runner."""
