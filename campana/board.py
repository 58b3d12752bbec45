"""The live display of a running campaign in the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from campaigns.calling import CallEvent
from campaigns.states import AttemptPhase, is_terminal
from storage.clock import Clock
from storage.masking import mask

_SHOWN_ENDED = 12
_STYLES = {
    AttemptPhase.RINGING: "yellow",
    AttemptPhase.ANSWERED: "green",
    AttemptPhase.TALKING: "bold green",
    AttemptPhase.TRANSFERRING: "magenta",
    AttemptPhase.WRAPUP: "cyan",
    AttemptPhase.ENDED: "dim",
}


@dataclass
class Board:
    """Follows call events; `with board.shown(console)` draws them."""

    title: str
    contacts: int
    clock: Clock
    #: Contacts that were through before we looked.
    through: int = 0
    #: Why no call is being placed, where there is a reason that people can do something about.
    notice: str | None = None
    _calls: dict[str, CallEvent] = field(default_factory=dict)
    _since: dict[str, datetime] = field(default_factory=dict)
    _through: set[int] = field(default_factory=set)
    _codes: Counter[str] = field(default_factory=Counter)
    _ended: int = 0
    #: Where lines are printed one after the other instead of drawn.
    _plain: Console | None = None

    def notify(self, notice: str | None) -> None:
        """Show why no call is being placed, or take that back."""
        if notice and notice != self.notice and self._plain is not None:
            self._plain.print(notice, markup=False, highlight=False, soft_wrap=True)
        self.notice = notice

    def follow(self, event: CallEvent) -> None:
        """Take one event in."""
        self._since.setdefault(event.attempt_id, event.at)
        self._calls[event.attempt_id] = event
        if event.phase is AttemptPhase.ENDED:
            self._ended += 1
            self._codes[event.code or "given back"] += 1
            if event.contact_state is not None and is_terminal(event.contact_state):
                self._through.add(event.contact_id)
            self._forget_old()

    @property
    def contacts_through(self) -> int:
        """Contacts that need no further call."""
        return self.through + len(self._through)

    @property
    def live(self) -> int:
        """Calls going on."""
        return sum(call.phase is not AttemptPhase.ENDED for call in self._calls.values())

    @contextmanager
    def shown(self, console: Console) -> Iterator[None]:
        """Draw twice a second while the block runs; plain lines instead where there is no terminal."""
        if not console.is_terminal:
            self._plain = console
            yield
            console.print(self._summary())
            return
        with Live(get_renderable=self.render, console=console, refresh_per_second=4, transient=False):
            yield

    def render(self) -> RenderableType:
        """The board as it stands."""
        return Group(self._summary(), self._table())

    def _summary(self) -> RenderableType:
        line = Table.grid(padding=(0, 2))
        codes = "  ".join(f"{code} {count}" for code, count in sorted(self._codes.items()))
        line.add_row(
            Text(self.title, style="bold"),
            ProgressBar(total=max(1, self.contacts), completed=self.contacts_through, width=24),
            f"{self.contacts_through}/{self.contacts} contacts through",
            f"{self.live} live",
            f"{self._ended} attempts",
        )
        notices = [Text(self.notice, style="bold red")] if self.notice else []
        return Group(line, Text(codes, style="cyan"), *notices)

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for heading in ("contact", "number", "phase", "s", "call status", "code"):
            table.add_column(heading)
        for call in self._calls.values():
            until = call.at if call.phase is AttemptPhase.ENDED else self.clock.now()
            seconds = (until - self._since[call.attempt_id]).total_seconds()
            table.add_row(
                call.name or "",
                mask(call.number),
                Text(call.phase.value, style=_STYLES.get(call.phase, "")),
                f"{seconds:.0f}",
                call.call_status or "",
                Text(call.code or "", style="bold"),
            )
        return table

    def _forget_old(self) -> None:
        ended = [key for key, call in self._calls.items() if call.phase is AttemptPhase.ENDED]
        for key in ended[:-_SHOWN_ENDED]:
            del self._calls[key], self._since[key]
