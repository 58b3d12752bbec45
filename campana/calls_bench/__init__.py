"""`campana bench calls` and `campana bench busy`: many calls through an Asterisk, and what they cost."""
