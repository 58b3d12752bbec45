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
        #: The turn that is held back in the middle while the customer speaks.
        self.held_turn: BotTurn | None = None
        self._playing: BotTurn | None = None

    def take(self, turn: BotTurn) -> None:
        """`turn` is given out to be said."""
        self.turn, self.cut = turn, None

    def interrupt(self, turn: BotTurn) -> None:
        """`turn` is cut off; call `dropped` once the pipeline has been told."""
        turn.interrupted = True
        self.cut, self.held_turn = turn, None

    def hold(self, turn: BotTurn) -> None:
        """`turn` is to fall silent until what the customer says is known."""
        self.held_turn = turn

    def release(self) -> None:
        """What was held goes on."""
        turn, self.held_turn = self.held_turn, None
        if turn is not None:
            turn.held_at = turn.stopped_after_ms = None

    def dropped(self, turn: BotTurn, at: float) -> None:
        """Nothing more of `turn` is on its way; of one that has begun, `silenced` or `line_ended` tells the end."""
        if turn.began_at is None:
            self._stopped(turn, at)

    def clear(self) -> None:
        """Whatever is on its way no longer counts."""
        self.turn = self.cut = self.held_turn = None

    def rest(self) -> tuple[BotTurn, int] | None:
        """The turn that was cut off and the line to go on with, when nothing else is being said."""
        cut, self.cut = self.cut, None
        if cut is None or not cut.interrupted or self.turn not in (None, cut, self.held_turn):
            return None
        heard_whole = cut.began_at is not None and not cut.lines[cut.line].interruptible
        first = cut.line + 1 if heard_whole else cut.line
        cut.interrupted, cut.ended_at = False, cut.ended_at if first == len(cut.lines) else None
        return (cut, first) if first < len(cut.lines) else None

    def line_began(self, turn: BotTurn, line: int, at: float) -> None:
        """See `transport.Playback`."""
        self._playing = turn
        turn.line = line
        turn.paused_at = None
        if turn.began_at is None:
            turn.began_at = at

    def line_ended(self, turn: BotTurn, line: int, at: float) -> None:
        """See `transport.Playback`."""
        whole = line == len(turn.lines) - 1 and not turn.open
        if whole or turn.interrupted:
            turn.ended_at = at
            turn.interrupted = not whole
            self._stopped(turn, at)
        elif turn.open:
            turn.paused_at = at

    def finished(self, turn: BotTurn) -> None:
        """No more lines of an open turn follow: it is over if the last one is."""
        turn.open = False
        at = turn.paused_at
        if at is None or turn.line != len(turn.lines) - 1:
            return
        turn.paused_at = None
        if not turn.interrupted:
            turn.ended_at = at
            self._stopped(turn, at)

    def silenced(self, at: float) -> None:
        """See `transport.Playback`."""
        turn = self._playing
        if turn is None:
            return
        if turn.held_at is None:
            self._note_stop(turn, at)
        turn.ended_at = at if turn.held_at is None else turn.held_at
        self._stopped(turn, at)

    def held(self, at: float) -> None:
        """See `transport.Playback`."""
        if self._playing is not None and self.held_turn is self._playing:
            self._playing.held_at = at
            self._note_stop(self._playing, at)

    def _note_stop(self, turn: BotTurn, at: float) -> None:
        if self.speech_at is not None and turn.paused_at is None:
            turn.stopped_after_ms = round((at - self.speech_at) * 1000)

    def _stopped(self, turn: BotTurn, at: float) -> None:
        if turn is self._playing:
            self._playing = None
        if turn is self.turn:
            self.turn = None
            self.quiet_since = at
            self._on_quiet()
