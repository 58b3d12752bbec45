"""The conversation of one call: script, understanding, speech, recording, who answered."""
