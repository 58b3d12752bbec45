"""Values and figures as people say them: numbers, money, dates, times, telephone numbers."""

from bot.reading.speaking import speak
from bot.reading.texts import aloud

__all__ = ["aloud", "speak"]
