"""Who has the floor: what the bot is saying, what was cut off, since when it is quiet."""

from __future__ import annotations

from collections.abc import Callable

from bot.timings import BotTurn


class Floor:
    """The bot's turns from being given out to being heard; the `Playback` of the transport.

    `on_quiet` is called when the bot has stopped, by itself or interrupted. Times are seconds of the loop's clock.
    """

    def __init__(self, on_quiet: Callable[[], None]) -> None:
        self._on_quiet = on_quiet
        #: The last turn on its way to the customer, None once it is over.
        self.turn: BotTurn | None = None
        #: A turn that the customer's voice cut off, until what they said is known.
        self.cut: BotTurn | None = None
        #: End of the bot's last word; may lie ahead.
        self.quiet_since = 0.0
        #: Begin of the customer's present turn, None when they are silent.
        self.speech_at: float | None = None
        self._playing: BotTurn | None = None

    def take(self, turn: BotTurn) -> None:
        """`turn` is given out to be said."""
        self.turn, self.cut = turn, None

    def interrupt(self, turn: BotTurn) -> None:
        """`turn` is cut off; call `dropped` once the pipeline has been told."""
        turn.interrupted = True
        self.cut = turn

    def dropped(self, turn: BotTurn, at: float) -> None:
        """Nothing more of `turn` is on its way; of one that has begun, `silenced` or `line_ended` tells the end."""
        if turn.began_at is None:
            self._stopped(turn, at)

    def clear(self) -> None:
        """Whatever is on its way no longer counts."""
        self.turn = self.cut = None

    def rest(self) -> tuple[BotTurn, int] | None:
        """The turn that was cut off and the line to go on with, when nothing else is being said."""
        cut, self.cut = self.cut, None
        if cut is None or not cut.interrupted or self.turn not in (None, cut):
            return None
        heard_whole = cut.began_at is not None and not cut.lines[cut.line].interruptible
        first = cut.line + 1 if heard_whole else cut.line
        cut.interrupted, cut.ended_at = False, cut.ended_at if first == len(cut.lines) else None
        return (cut, first) if first < len(cut.lines) else None

    def line_began(self, turn: BotTurn, line: int, at: float) -> None:
        """See `transport.Playback`."""
        self._playing = turn
        turn.line = line
        if turn.began_at is None:
            turn.began_at = at

    def line_ended(self, turn: BotTurn, line: int, at: float) -> None:
        """See `transport.Playback`."""
        whole = line == len(turn.lines) - 1
        if whole or turn.interrupted:
            turn.ended_at = at
            turn.interrupted = not whole
            self._stopped(turn, at)

    def silenced(self, at: float) -> None:
        """See `transport.Playback`."""
        turn = self._playing
        if turn is None:
            return
        if self.speech_at is not None:
            turn.stopped_after_ms = round((at - self.speech_at) * 1000)
        turn.ended_at = at
        self._stopped(turn, at)

    def _stopped(self, turn: BotTurn, at: float) -> None:
        if turn is self._playing:
            self._playing = None
        if turn is self.turn:
            self.turn = None
            self.quiet_since = at
            self._on_quiet()
