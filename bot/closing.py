"""What the bot says when not the script but the circumstances end the call."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ClosingLines:
    """Last lines; belong into the phrase cache like those of the script."""

    time_up: str
    sorry: str
    nobody_free: str

    def texts(self) -> tuple[str, ...]:
        """All of them."""
        return (self.time_up, self.sorry, self.nobody_free)


_LANGUAGES = {
    "en": ClosingLines(
        time_up="I am sorry, I have to end our call now. Goodbye.",
        sorry="I am sorry, we have a technical problem. Goodbye.",
        nobody_free="I am sorry, nobody can take your call at the moment. Goodbye.",
    ),
    "vi": ClosingLines(
        time_up="Xin lỗi, tôi phải kết thúc cuộc gọi tại đây. Xin chào.",
        sorry="Xin lỗi, chúng tôi đang gặp sự cố kỹ thuật. Xin chào.",
        nobody_free="Xin lỗi, hiện chưa có ai nhận được cuộc gọi của quý khách. Xin chào.",
    ),
}


def closing_lines(language: str) -> ClosingLines:
    """The lines for a script's language; English where there are none."""
    return _LANGUAGES.get(language.partition("-")[0], _LANGUAGES["en"])
