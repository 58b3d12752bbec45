"""The script of a bot: what it may say, listen for and label. Plain data, read by `bot.script.loader`.

docs/reference/script-language.md is the reference of the YAML form.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bot.understanding.forms import ValueForm
from bot.who_answered.verdict import Answerer
from telephony.transfer import Target

#: Codes of VOCABULARY (Default action codes) that a script may set without declaring them.
BUILT_IN_CODES = frozenset({"CB", "DNC"})


@dataclass(frozen=True)
class CodeDeclaration:
    """An action code of the script, mapped as VOCABULARY (Default action codes) demands.

    `code_class` is success, unsuccessful, error or not_counted; `generic_result` one of the results listed
    there; `family` the code whose family this is (its own, or BS, NA, CU, XC).
    """

    code: str
    title: str
    code_class: str
    generic_result: str
    family: str


@dataclass(frozen=True)
class Variable:
    """A value that each contact brings; `default` None means that a contact must have it."""

    name: str
    default: str | None = None

    @property
    def required(self) -> bool:
        return self.default is None


class BuiltIn(StrEnum):
    """Intents that every script knows, with samples in English and Vietnamese."""

    YES = "yes"
    NO = "no"
    OPT_OUT = "opt_out"
    CALL_BACK = "call_back"
    WRONG_PERSON = "wrong_person"
    WHO_IS_CALLING = "who_is_calling"
    REPEAT = "repeat"
    HELLO = "hello"
    PERSON = "person"


@dataclass(frozen=True)
class IntentDeclaration:
    """Something a customer may mean; `like` adds the samples of a built-in intent."""

    name: str
    samples: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    like: BuiltIn | None = None


@dataclass(frozen=True)
class Say:
    """The bot says `text`, which may hold `{variables}`."""

    text: str
    interruptible: bool = True
    line: int = 0
    #: A WAV file to play instead of the voice; `text` is what it says.
    audio: str | None = None


@dataclass(frozen=True)
class Label:
    """Set the action code of the call."""

    code: str
    line: int = 0


@dataclass(frozen=True)
class Goto:
    """Go on with another step."""

    step: str
    line: int = 0


@dataclass(frozen=True)
class AskOut:
    """The customer wants no more calls: record it, with code DNC."""

    line: int = 0


@dataclass(frozen=True)
class AskBack:
    """The customer wants a later call, with code CB.

    The time is read from what was just said. When none is in it, each line of `ask` is said in turn until
    one is answered with a time; without lines, or after the last, the time stays open.
    Afterwards `{call_back_at}` can be spoken.
    """

    ask: tuple[str, ...] = ()
    line: int = 0


@dataclass(frozen=True)
class PutThrough:
    """Transfer the customer to whom `to` names in `transfers`; `otherwise` when nobody picks up (None: end)."""

    to: str
    otherwise: Goto | None = None
    line: int = 0


@dataclass(frozen=True)
class Person:
    """Somebody to whom customers are transferred; `whisper`, which may hold `{variables}`, is for their ear alone."""

    target: Target
    whisper: str | None = None
    line: int = 0


@dataclass(frozen=True)
class Collect:
    """Ask for a value of a form and keep it as variable `into`.

    `ask` is said first, then one line of `ask_again` each time that what was said holds no such value. With
    `confirm`, which may hold the value, it counts once the customer says yes. After the last line a value
    that is not `required` stays empty and the next block follows; else `otherwise` does (None: end).
    With `keys` it may be typed on the telephone, ended by #. `patience_ms` is the silence that ends an answer.
    """

    into: str
    form: ValueForm
    ask: str
    ask_again: tuple[str, ...] = ()
    confirm: str | None = None
    required: bool = True
    otherwise: Goto | None = None
    keys: bool = False
    patience_ms: int | None = None
    silence: Silence | None = None
    line: int = 0


@dataclass(frozen=True)
class Assign:
    """Give variable `into` a text, which may hold `{variables}`."""

    into: str
    text: str
    line: int = 0


@dataclass(frozen=True)
class Compute:
    """Give variable `into` the value of an expression (`bot.script.expressions`)."""

    into: str
    expression: str
    line: int = 0


class Group(StrEnum):
    """How the parts of a condition are joined."""

    ALL = "all"
    ANY = "any"
    NONE = "none"


@dataclass(frozen=True)
class Condition:
    """A group of expressions and further groups."""

    group: Group
    parts: tuple[str | Condition, ...]
    line: int = 0


@dataclass(frozen=True)
class Branch:
    """Go on with step `then` when the condition holds, else with `otherwise`; None for the next block."""

    when: Condition
    then: Goto | None
    otherwise: Goto | None = None
    line: int = 0


@dataclass(frozen=True)
class SendEmail:
    """Send an e-mail; all three texts may hold `{variables}`. The conversation does not wait for it."""

    to: str
    subject: str
    body: str
    line: int = 0


@dataclass(frozen=True)
class CallWebhook:
    """Ask a web service and keep parts of its JSON answer: `into` maps variables to dotted paths.

    Scheme, host and port of `url` are fixed text (DESIGN invariant 8); path, query, `headers` and `body` may
    hold `{variables}`. `say` is said while it is waited for. A failure or time-out leads to `otherwise`
    (None: the next block, the variables unchanged).
    """

    url: str
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, str] = field(default_factory=dict)
    into: Mapping[str, str] = field(default_factory=dict)
    timeout_ms: int = 3000
    say: str | None = None
    otherwise: Goto | None = None
    line: int = 0


@dataclass(frozen=True)
class Tools:
    """What a language model may do beside talking; only what stands here can happen (DESIGN invariant 8).

    `codes` are action codes it may set, `collect` values it may keep, `transfers` names under `transfers:`,
    `steps` steps of the script that it may go on with.
    """

    codes: tuple[str, ...] = ()
    collect: Mapping[str, ValueForm] = field(default_factory=dict)
    transfers: tuple[str, ...] = ()
    steps: Mapping[str, str] = field(default_factory=dict)
    call_back: bool = False
    end: bool = True


@dataclass(frozen=True)
class Converse:
    """Hand the conversation to a language model for at most `max_turns` answers.

    `persona`, `goal` and `facts` may hold `{variables}`. `fallback` is said when the model fails or is silent
    for `timeout_ms`; after two failures in a row, or the last turn, `otherwise` follows (None: the end).
    `greeting` is said first, without asking the model.
    """

    goal: str
    persona: str = ""
    facts: tuple[str, ...] = ()
    greeting: str | None = None
    tools: Tools = field(default_factory=Tools)
    model: str | None = None
    max_turns: int = 20
    timeout_ms: int = 4000
    fallback: str | None = None
    otherwise: Goto | None = None
    silence: Silence | None = None
    line: int = 0


@dataclass(frozen=True)
class End:
    """Hang up after what was said."""

    line: int = 0


@dataclass(frozen=True)
class Silence:
    """What happens when nobody speaks for `after_ms`: one line of `say` each time, then step `goto` (None: end)."""

    after_ms: int
    say: tuple[str, ...]
    goto: str | None = None
    line: int = 0


class MachinePolicy(StrEnum):
    """What to do with a machine that took the call."""

    HANG_UP = "hang_up"
    #: Say a text: to a machine that records after its beep, and then hang up; to a screener when it has asked.
    MESSAGE = "message"
    #: Go on as with a person.
    TALK_ON = "talk_on"


@dataclass(frozen=True)
class MachineRule:
    """The policy for one kind of machine; `message` is the text of `MESSAGE`."""

    policy: MachinePolicy
    message: str | None = None
    line: int = 0


#: What happens where the script says nothing.
DEFAULT_MACHINES: Mapping[Answerer, MachineRule] = {
    Answerer.VOICEMAIL: MachineRule(MachinePolicy.HANG_UP),
    Answerer.SCREENING: MachineRule(MachinePolicy.TALK_ON),
    Answerer.IVR: MachineRule(MachinePolicy.HANG_UP),
    Answerer.FAX: MachineRule(MachinePolicy.HANG_UP),
}


@dataclass(frozen=True)
class Choice:
    """One thing that a listening step offers: this intent leads to that step."""

    intent: str
    step: str
    line: int = 0


@dataclass(frozen=True)
class ValueChoice:
    """One value that a listening step offers: found, it is kept as variable `into`, and `step` follows."""

    into: str
    form: ValueForm
    step: str
    line: int = 0


@dataclass(frozen=True)
class Listen:
    """Wait for the customer.

    `ask` is the question, said before listening and again after an answered question. Speech that fits
    nothing offered is answered by the next line of `reprompt`; after the last one `otherwise` follows
    (None: end). `keys` maps pressed keys to steps. A value of `values` found in what was said is kept under its
    name and leads on; with `values_first` this goes before the intents. `patience_ms` is the silence that ends
    an answer, None for the usual.
    """

    ask: str | None
    choices: tuple[Choice, ...]
    keys: Mapping[str, Goto] = field(default_factory=dict)
    reprompt: tuple[str, ...] = ()
    otherwise: Goto | None = None
    silence: Silence | None = None
    min_confidence: float | None = None
    line: int = 0
    values: tuple[ValueChoice, ...] = ()
    values_first: bool = False
    patience_ms: int | None = None


Block = (
    Say
    | Label
    | Goto
    | AskOut
    | AskBack
    | PutThrough
    | End
    | Listen
    | Collect
    | Assign
    | Compute
    | Branch
    | SendEmail
    | CallWebhook
    | Converse
)


@dataclass(frozen=True)
class Step:
    """A named run of blocks; the last one says what comes next."""

    name: str
    blocks: tuple[Block, ...]
    line: int = 0


@dataclass(frozen=True)
class Question:
    """A question that may be asked at any time; answered at most `repeat` times in a call."""

    intent: str
    answer: str
    repeat: int = 2
    line: int = 0


@dataclass(frozen=True, eq=False)
class Script:
    """A whole, checked script. Compared by identity."""

    name: str
    title: str
    language: str
    start: str
    steps: Mapping[str, Step]
    codes: tuple[CodeDeclaration, ...]
    variables: tuple[Variable, ...]
    intents: Mapping[str, IntentDeclaration]
    handlers: Mapping[BuiltIn, Goto]
    questions: tuple[Question, ...]
    silence: Silence
    min_confidence: float
    file: str
    #: One rule for each of `MACHINES`.
    machines: Mapping[Answerer, MachineRule] = field(default_factory=lambda: DEFAULT_MACHINES)
    #: Who can be put through to, by the names that blocks use.
    transfers: Mapping[str, Person] = field(default_factory=dict)
    #: The currency (ISO 4217) of money that names none, None where only the figure is said.
    currency: str | None = None

    @property
    def required_variables(self) -> tuple[str, ...]:
        """Names that every contact must bring."""
        return tuple(variable.name for variable in self.variables if variable.required)

    def blocks(self) -> Iterator[tuple[Step, Block]]:
        """Every block with its step, in the order of the file."""
        for step in self.steps.values():
            for block in step.blocks:
                yield step, block
