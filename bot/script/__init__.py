"""The script language: what a marketer writes, and the pure interpreter that follows it."""
