"""While a web service or a language model is asked: what the customer does meanwhile, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from bot.answers import Answers
from bot.course import Course, is_final
from bot.events import Answered, Fetched, Sentence
from bot.frames import HeardFrame
from bot.llm.functions import Function
from bot.saying import Saying
from bot.script.replies import Consult, Consulted, Fetch, Line, Reply, Wait
from bot.timings import BotTurn

#: What a model wants of the call, and not of the books; it may not happen to a customer who has spoken since.
_LEADING: Final = frozenset({Function.TRANSFER, Function.GO_ON, Function.END_CALL})


class Meanwhile:
    """One conversation's errands, as the customer meets them.

    What is said or pressed while a web service is asked is kept and heard after its answer. A language model's answer
    is said as it comes; the customer's next words break it off.
    """

    def __init__(self, course: Course, answers: Answers, saying: Saying) -> None:
        self._course = course
        self._answers = answers
        self._saying = saying
        self._kept: list[HeardFrame | _Key] = []
        #: What the errand came to, until the bot is silent.
        self._result: Fetched | Answered | None = None
        #: The model's answer as far as it is said, and sentences that wait for words before it to end.
        self._turn: BotTurn | None = None
        self._waiting: list[Sentence] = []

    @property
    def under_way(self) -> bool:
        """Whether the conversation waits for an errand."""
        return isinstance(self._course.wait, Fetch | Consult)

    def drop(self) -> None:
        """Something else goes before: the errand ends, and what was kept is only written down."""
        self._course.errands.drop()
        for one in self._kept:
            if isinstance(one, HeardFrame):
                self._answers.note(one)
                one.taken = True
        self._kept.clear()
        self._forget_answer()

    def press(self, digit: str, at: float) -> None:
        """The customer pressed a key, which counts after the errand; `at` is the loop's time."""
        self._kept.append(_Key(digit, at))

    async def hear(self, frame: HeardFrame) -> None:
        """The customer said something."""
        before = self._kept[-1] if self._kept else None
        if frame.continues and isinstance(self._course.wait, Fetch) and not isinstance(before, HeardFrame):
            # More of the words that set the errand on its way, which cannot be taken back.
            self._answers.note_more(frame)
            frame.taken = True
            await self._saying.go_on()
            return
        self._saying.floor.cut = None
        if isinstance(self._course.wait, Consult):
            await self._break_off(frame)
            return
        if frame.continues and isinstance(before, HeardFrame):
            self._kept.pop()
            frame.continues, before.taken = before.continues, True
        self._kept.append(frame)

    def told(self, event: Fetched | Sentence | Answered) -> None:
        """The errand has brought something; `go_on` makes use of it."""
        if not self._course.errands.is_current(event):
            return
        if isinstance(event, Sentence):
            self._waiting.append(event)
        else:
            self._course.errands.done()
            self._result = event

    async def go_on(self) -> None:
        """Say what waits; take the result once nobody speaks, or at once when the model wants more than to speak."""
        if not self.under_way:
            self._forget_answer()
            return
        await self._say_waiting()
        result = self._result
        if result is None or self._waiting:
            return
        if isinstance(result, Answered) and not result.calls and self._turn is not None:
            self._saying.finish(self._turn)
        # What the customer says now may change the model's mind.
        wants_more = isinstance(result, Answered) and result.calls and self._saying.floor.speech_at is None
        if isinstance(result, Answered) and (wants_more or self._is_quiet()):
            await self._consulted(result)
        elif isinstance(result, Fetched) and self._is_quiet():
            self._result = None
            reply = self._with_kept(self._answers.fetched(result.values))
            await self._course.act(reply, answers=self._course.answers_at)

    async def _say_waiting(self) -> None:
        floor = self._saying.floor
        while self._waiting:
            if self._turn is not None:
                await self._saying.add(self._turn, Line(self._waiting.pop(0).text))
                continue
            if floor.turn is not None or floor.cut is not None:
                # Words before the answer are still being said.
                return
            first = self._waiting.pop(0)
            answers, self._course.answers_at = self._course.answers_at, None
            self._turn = BotTurn([Line(first.text)], self._answers.step, answers, open=True)
            self._turn.llm_first_sentence_ms = first.after_ms
            await self._saying.say(self._turn)

    async def _consulted(self, result: Answered) -> None:
        turn, self._turn, self._result = self._turn, None, None
        said = "" if turn is None else turn.text() if not result.calls else turn.whole_text()
        answer = Consulted(said, result.calls, failed=not said and not result.calls)
        reply = self._with_kept(self._answers.consulted(answer))
        if turn is None or not turn.open:
            await self._course.act(reply, answers=self._course.answers_at)
            return
        await self._course.apply(reply.effects)
        if self._course.over:
            return
        self._course.expect(reply)
        for line in reply.lines:
            await self._saying.add(turn, line)
        if isinstance(reply.wait, Consult):
            self._turn = turn
        else:
            turn.final = is_final(reply)
            self._saying.finish(turn)

    async def _break_off(self, frame: HeardFrame) -> None:
        """Leave the answer at what was said of it, and answer what the customer says."""
        answers, answer = self._answers, self._so_far()
        self._forget_answer()
        self._course.errands.drop()
        await self._saying.interrupt()
        self._saying.floor.cut, frame.taken = None, True
        if answer is not None and not (frame.continues and answers.can_take_back):
            await self._course.apply(answers.consulted(answer).effects)
        await self._course.act(answers.heard(frame), answers=frame.ended_at)

    async def close(self) -> None:
        """The call is over: what the model wanted written down is."""
        answer = self._so_far() if self._result is not None else None
        self._forget_answer()
        if answer is not None:
            await self._course.apply(self._answers.consulted(answer).effects)

    def _so_far(self) -> Consulted | None:
        """An answer that goes no further: what was heard of it, and what it wants that leads nowhere else."""
        said = self._turn.text() if self._turn is not None and self._turn.began_at is not None else ""
        calls = self._result.calls if isinstance(self._result, Answered) else ()
        calls = tuple(call for call in calls if call.name not in _LEADING)
        return Consulted(said, calls) if said or calls else None

    def _with_kept(self, reply: Reply) -> Reply:
        """`reply`, and the answers to what was said and pressed before it as far as they fit."""
        while self._kept and isinstance(reply.wait, Wait):
            one = self._kept.pop(0)
            if isinstance(one, HeardFrame):
                one.taken = True
                later = self._answers.heard_before(one)
            else:
                later = self._answers.key(one.digit, one.at)
            if later is not None:
                later = replace(later, lines=reply.lines + later.lines, effects=reply.effects + later.effects)
            reply = later or reply
        if is_final(reply):
            self.drop()
        return reply

    def _forget_answer(self) -> None:
        if self._turn is not None:
            self._turn.open = False
        self._turn = self._result = None
        self._waiting.clear()

    def _is_quiet(self) -> bool:
        floor = self._saying.floor
        return floor.turn is None and floor.cut is None and floor.speech_at is None


@dataclass(frozen=True)
class _Key:
    digit: str
    at: float
