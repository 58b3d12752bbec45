"""The course of a conversation: what it waits for, who ends it, and doing what the script answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

import structlog

from bot.answers import Answers
from bot.closing import ClosingLines
from bot.committing import Committing, describe
from bot.errands import Errands
from bot.outcome import EndedBy, Job, OptOut
from bot.saying import Saying
from bot.script.progress import ScriptFailed
from bot.script.replies import CallBack, Consult, Effect, Fetch, Keep, Line, Mail, Reply, SetCode, Transfer, Wait
from bot.timings import BotTurn
from bot.transferring import Switchboard

_log = structlog.get_logger(__name__)


class Course:
    """Carries replies out. `switchboard` and `errands` are set before the conversation begins."""

    def __init__(self, answers: Answers, job: Job, saying: Saying, closing: ClosingLines) -> None:
        #: Who ends the call after the present words, None while nobody does.
        self.ending: EndedBy | None = None
        self.closing = closing
        self.switchboard: Switchboard
        self.errands: Errands
        #: End of the customer's speech that the reply to come answers, None where it answers none.
        self.answers_at: float | None = None
        self._answers = answers
        self._job = job
        self._saying = saying
        self._committing = Committing(job)
        self._wait: Wait | Transfer | Fetch | Consult | None = None

    @property
    def wait(self) -> Wait | Transfer | Fetch | Consult | None:
        """What the conversation waits for."""
        return self._wait

    @wait.setter
    def wait(self, wanted: Wait | Transfer | Fetch | Consult | None) -> None:
        """Change it: no agent rings, and nobody outside is asked, but for what is waited for."""
        self._wait = wanted
        self.switchboard.drop_unless(wanted if isinstance(wanted, Transfer) else None)
        if not isinstance(wanted, Fetch | Consult):
            self.errands.drop()
        elif not self.errands.is_on(wanted):
            self.errands.begin(wanted)

    @property
    def over(self) -> bool:
        """Whether the call ends for another reason than the script's, or no word may be said."""
        return self._committing.pending or self.ending not in (None, EndedBy.BOT)

    async def act(self, reply: Reply, *, answers: float | None = None) -> None:
        """Effects, then lines, then wait: in this order, since an opt-out is committed before the next word."""
        await self.apply(reply.effects)
        if self.over:
            return
        goes_on = isinstance(reply.wait, Transfer) and self.switchboard.is_calling(reply.wait)
        self.expect(reply)
        says = bool(reply.lines) and not goes_on
        self.answers_at = None if says else answers
        if says:
            await self._saying.say(BotTurn(reply.lines, reply.step, answers, final=is_final(reply)))

    def expect(self, reply: Reply) -> None:
        """Wait for what the reply tells, or end the call after the present words."""
        self._answers.step = reply.step
        self.wait = reply.wait
        self.ending = EndedBy.BOT if reply.wait is None else None

    async def apply(self, effects: Sequence[Effect]) -> None:
        """Take the effects of a reply down."""
        findings = self._answers.findings
        for effect in effects:
            match effect:
                case SetCode():
                    findings.code = effect.code
                case CallBack():
                    findings.callback, findings.callback_at = True, effect.at
                case Keep():
                    findings.collected[effect.name] = effect.value
                case Mail():
                    findings.mails.append(effect)
                case OptOut():
                    await self._opt_out(effect)
                case _:
                    assert_never(effect)

    async def close(self, text: str | None, ended_by: EndedBy) -> None:
        """Stop whatever is being said, say one last line and end the call."""
        if self.ending not in (None, EndedBy.BOT) or self.switchboard.joined.is_set():
            return
        await self._saying.interrupt()
        self._saying.floor.clear()
        self.wait, self.ending = None, ended_by
        if text is not None:
            await self._saying.say(BotTurn([Line(text, interruptible=False)], None, final=True))

    async def fail(self, error: BaseException) -> None:
        """Something does not work: say so once and end the call."""
        findings = self._answers.findings
        _log.error("dialogue.failed", attempt=self._job.attempt_id, error=describe(error), exc_info=error)
        again = findings.error is not None or self.ending is EndedBy.MAX_DURATION
        findings.error = findings.error or describe(error)
        await self.keep(error)
        if again:
            self._saying.floor.clear()
        else:
            # No word may follow an opt-out that is not committed.
            await self.close(None if self._committing.pending else self.closing.sorry, EndedBy.ERROR)
        self.ending = EndedBy.ERROR

    async def keep(self, error: BaseException) -> None:
        """Take down what a script had come to before it failed."""
        if isinstance(error, ScriptFailed):
            await self.apply(error.effects)

    async def committed(self) -> None:
        """Wait for an opt-out that is still being committed, but not for long."""
        await self._committing.finish()

    async def _opt_out(self, effect: OptOut) -> None:
        answers = self._answers
        answers.findings.opted_out = True
        # No agent may pick up while it is being committed.
        self.switchboard.drop_unless(None)
        time = answers.log.time
        answers.supervisor.answered("wants no more calls", now_ms=time.ms(time.now()))
        if not await self._committing.begin(effect):
            # No word may follow, and silence must not go on: the call ends, and the result tells of the opt-out.
            await self.close(None, EndedBy.BOT)


def is_final(reply: Reply) -> bool:
    """Whether its words are the last of the bot's: the customer's voice does not stop them."""
    return reply.wait is None or isinstance(reply.wait, Transfer)
