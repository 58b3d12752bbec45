"""What is done with a machine that took the call: a message after its beep, a word to a screener, or nothing."""

from __future__ import annotations

from bot.answers import Answers
from bot.course import Course
from bot.frames import HeardFrame, MonologueFrame
from bot.leaving import LeftMessage
from bot.outcome import EndedBy
from bot.saying import Saying
from bot.script.language import MachinePolicy
from bot.script.replies import Wait
from bot.timings import BotTurn
from bot.understanding.optout import is_opt_out
from bot.who_answered import Answerer


class MachineTalk:
    """One conversation's dealings with machines."""

    def __init__(self, course: Course, answers: Answers, saying: Saying) -> None:
        self._course = course
        self._answers = answers
        self._saying = saying
        #: From the verdict until it is said.
        self._message: LeftMessage | None = None
        self._introduced = False

    @property
    def waits(self) -> bool:
        """Whether a message waits for the machine to record."""
        return self._message is not None

    async def meet(self, frame: HeardFrame | MonologueFrame | None) -> None:
        """A machine is on the line, as these words of it, or its tone, have told."""
        answers, rule = self._answers, self._answers.rule
        if rule is None or not answers.suspicious or self._course.ending is not None or self.waits:
            return
        if answers.supervisor.answerer is Answerer.SCREENING and rule.message is not None:
            if isinstance(frame, HeardFrame):
                await self._introduce(frame, rule.message)
            return
        self._note(frame)
        answers.findings.voicemail = True
        if rule.policy is not MachinePolicy.MESSAGE or rule.message is None:
            await self._course.close(None, EndedBy.BOT)
            return
        await self._saying.interrupt()
        self._saying.floor.clear()
        self._message = LeftMessage(answers.message(rule.message), since=answers.log.time.now())
        self._course.wait = Wait(self._message.no_beep_ms)

    def is_person(self, frame: HeardFrame) -> bool:
        """Whether these cannot be the words of the machine that is to take a message."""
        if not is_opt_out(frame.text):
            return False
        self._message, self._answers.findings.voicemail = None, False
        return True

    async def listen(self, frame: HeardFrame) -> None:
        """The machine that is to take a message says this."""
        assert self._message is not None
        if frame.text:
            self._note(frame)
        frame.taken = True
        if self._message.overdue(self._answers.log.time.now()):
            await self._course.close(None, EndedBy.BOT)

    async def say(self) -> None:
        """Speak what waits, after the beep or when the machine has been quiet for long without one; then hang up."""
        message, self._message = self._message, None
        if message is None:
            return
        self._course.wait, self._course.ending = None, EndedBy.BOT
        await self._saying.say(BotTurn(message.lines, None, final=True))

    async def _introduce(self, frame: HeardFrame, message: str) -> None:
        """Tell a screener once who calls and why, and go on with whoever comes."""
        self._note(frame)
        await self._saying.interrupt()
        self._saying.floor.cut = None
        if not self._introduced:
            self._introduced = True
            await self._saying.say(BotTurn(self._answers.message(message), self._answers.step))

    def _note(self, frame: HeardFrame | MonologueFrame | None) -> None:
        if frame is not None:
            self._answers.note(frame)
        if isinstance(frame, HeardFrame):
            frame.taken = True
