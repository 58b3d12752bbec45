"""What a script works out by itself: assigned and computed variables, conditions, e-mails, webhooks, recordings."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from bot.script.interpreter import Interpreter, ScriptFailed
from bot.script.loader import load_script
from bot.script.phrases import phrases, static_phrases
from bot.script.placeholders import with_secrets
from bot.script.progress import MOST_BLOCKS
from bot.script.replies import Fetch, Keep, Line, Mail, Reply, SetCode
from bot.script.texts import secret_names
from tests.support_scripts import ANNA, NOW, said, script_of, talk


def begin(text: str, variables: dict[str, str] | None = None) -> Reply:
    return Interpreter(script_of(text), variables or {}, now=NOW).start()


def test_a_text_is_assigned_with_the_values_of_that_moment() -> None:
    reply = begin(
        """
        variables: {name: required}
        steps:
          a:
            - assign: {who: "dear {name}", other: ""}
            - assign: {twice: "{who} and {who}{other}"}
            - say: "Hello {twice}."
            - end
        """,
        {"name": "{other}"},
    )
    assert said(reply) == ["Hello dear {other} and dear {other}."]
    assert reply.effects == ()


def test_a_computed_number_is_said_as_one_and_counts_as_one() -> None:
    reply = begin(
        """
        variables: {amount: required, paid: required}
        currency: USD
        steps:
          a:
            - compute: {rest: number(amount) - number(paid), more: rest + 1, some: rest > 3}
            - say: "{rest} and {more}, {rest|money}, {some}, {n|plural: x, y}."
            - compute: {n: "1"}
            - say: "{n} {n|plural: invoice, invoices}, {rest} {rest|plural: invoice, invoices}."
            - end
        """,
        {"amount": "120", "paid": "70"},
    )
    assert said(reply) == ["fifty and fifty-one, fifty dollars, yes, y.", "one invoice, fifty invoices."]


IF = """
variables: {{n: {{default: "{n}"}}, who: {{default: x}}}}
codes: {{T: {{result: Completed}}}}
steps:
  a:
    - if: {{{when}, then: yes_step, else: no_step}}
  yes_step: [end]
  no_step: [end]
"""


@pytest.mark.parametrize(
    ("when", "n", "step"),
    [
        ("all: ['number(n) > 3', \"who == 'x'\"]", "4", "yes_step"),
        ("all: ['number(n) > 3', \"who == 'y'\"]", "4", "no_step"),
        ("any: ['number(n) > 9', \"who == 'x'\"]", "4", "yes_step"),
        ("none: ['number(n) > 9', \"who == 'y'\"]", "4", "yes_step"),
        ("all: number(n) == 4", "4", "yes_step"),
        ("all: ['n', {any: ['number(n) > 9', {none: [\"who == 'y'\"]}]}]", "4", "yes_step"),
        ("any: [\"language == 'vi'\", \"today > '2026-03-04'\"]", "4", "no_step"),
        ("all: [\"today == '2026-03-04'\", \"heard == ''\"]", "4", "yes_step"),
    ],
)
def test_conditions_lead_on(when: str, n: str, step: str) -> None:
    assert begin(IF.format(when=when, n=n)).step == step


def test_a_branch_that_is_not_given_goes_on_with_the_next_block() -> None:
    text = "steps:\n  a:\n    - if: {any: 1 > 2, then: b}\n    - say: Still here.\n    - end\n  b: [end]\n"
    assert said(begin(text)) == ["Still here."]
    text = "steps:\n  a:\n    - if: {any: 2 > 1, else: b}\n    - say: Still here.\n    - end\n  b: [end]\n"
    assert said(begin(text)) == ["Still here."]


def test_today_is_that_of_the_contact() -> None:
    script = script_of("steps:\n  a:\n    - say: '{today}.'\n    - end\n")
    assert said(Interpreter(script, {}, now=NOW, time_zone="Pacific/Kiritimati").start()) == [
        "Wednesday, March fourth."
    ]
    late = NOW.replace(hour=23)
    assert said(Interpreter(script, {}, now=late, time_zone="Asia/Tokyo").start()) == ["Thursday, March fifth."]


def test_a_script_that_counts_without_end_fails_and_says_where() -> None:
    script = script_of(
        """
        script: counting
        steps:
          a:
            - compute: {n: "number(n, 0) + 1"}
            - if: {all: n > 5000, then: b}
            - goto: a
          b: [end]
        """
    )
    with pytest.raises(ScriptFailed, match=f"script counting, step a: {MOST_BLOCKS} blocks ran unheard"):
        Interpreter(script, {}, now=NOW).start()


def test_a_loop_that_ends_in_time_does() -> None:
    reply = begin(
        """
        steps:
          a:
            - compute: {n: "number(n, 0) + 1"}
            - if: {all: n < 20, then: a}
            - say: "{n}."
            - end
        """
    )
    assert said(reply) == ["twenty."]


def test_an_expression_without_value_fails_and_tells_no_value() -> None:
    script = script_of("variables: {a: required}\nsteps:\n  x:\n    - compute: {b: number(a)}\n    - end\n")
    with pytest.raises(ScriptFailed, match=r"script bot, step x: `number\(a\)`: a text is no number"):
        Interpreter(script, {"a": "secret words"}, now=NOW).start()


def test_a_text_that_doubles_in_a_loop_stays_short() -> None:
    reply = begin(
        """
        steps:
          a:
            - assign: {t: "{t}{t}ab"}
            - compute: {n: "number(n, 0) + 1"}
            - if: {all: n < 40, then: a}
            - compute: {size: len(t)}
            - say: "{size|digits}."
            - end
        """
    )
    assert said(reply) == ["two zero zero zero."]


MAIL = """
variables: {email: {default: ""}, amount: {default: "19.9"}, due: {default: "2026-11-27"}, name: {default: Anna}}
currency: USD
steps:
  a:
    - email:
        to: "{email}"
        subject: "Hello {name}"
        body: |
          Dear {name},
          {amount|money} is due on {due|date}, {due}.
    - end
"""


def test_an_email_is_written_as_it_is_read() -> None:
    (mail,) = begin(MAIL, {"email": "a@b.example", "name": "An\nna"}).effects
    assert mail == Mail(
        "a@b.example",
        "Hello An na",
        "Dear An na,\n$19.90 is due on Friday, November 27, 2026, 2026-11-27.",
    )


@pytest.mark.parametrize(
    "address", ["", "nobody", "a@b.example, c@d.example", "a@b.example\nBcc: c@d.example", "<a@b.c>"]
)
def test_no_email_goes_to_what_is_no_single_address(address: str) -> None:
    assert begin(MAIL, {"email": address}).effects == ()


WEBHOOK = """
variables: {id: {default: "7"}, name: {default: Anna}}
codes: {OK: {result: Completed}}
steps:
  a:
    - webhook:
        url: https://crm.example.com:8443/contacts/{id}?n={name}
        headers: {Authorization: "Bearer {secret:CRM}", X-Name: "{name}"}
        body: {name: "{name}", fixed: x}
        into: {balance: data.balance, tier: tier}
        timeout_ms: 1500
        say: One moment please.
        else: failed
    - say: "You have {balance|money}, {tier}."
    - listen: {intents: {"yes": b}}
  b:
    - code: OK
    - end
  failed: [say: Never mind., end]
"""


def test_a_webhook_is_asked_with_the_values_of_the_call() -> None:
    reply = begin(WEBHOOK, {"id": "a/b?c#d", "name": "Å\r\n{secret:CRM}"})
    assert said(reply) == ["One moment please."]
    assert isinstance(reply.wait, Fetch)
    assert reply.wait.url == "https://crm.example.com:8443/contacts/a%2Fb%3Fc%23d?n=%C3%85%20%7Bsecret%3ACRM%7D"
    assert (reply.wait.method, reply.wait.timeout_ms) == ("POST", 1500)
    assert reply.wait.body == {"name": "Å {secret:CRM}", "fixed": "x"}
    assert reply.wait.into == {"balance": "data.balance", "tier": "tier"}
    secrets = {"CRM": "hush"}.__getitem__
    sent = {name: with_secrets(value, secrets) for name, value in reply.wait.headers.items()}
    assert sent == {"Authorization": "Bearer hush", "X-Name": "Å {secret:CRM}"}


@pytest.mark.parametrize("dots", ["..", ".", "..."])
def test_a_value_cannot_climb_out_of_its_folder(dots: str) -> None:
    wait = begin(WEBHOOK, {"id": dots}).wait
    assert isinstance(wait, Fetch)
    assert wait.url == "https://crm.example.com:8443/contacts/?n=Anna"


def test_what_a_webhook_answers_is_kept_by_the_names_that_were_asked_for() -> None:
    conversation = talk(script_of(WEBHOOK), {})
    reply = conversation.fetched({"balance": "20", "name": "Eve"})
    assert said(reply) == ["You have twenty, ."]
    assert conversation.heard("Yes.").effects == (SetCode("OK"),)


def test_a_webhook_that_fails_leads_elsewhere() -> None:
    reply = talk(script_of(WEBHOOK), {}).fetched(None)
    assert (said(reply), reply.step, reply.wait) == (["Never mind."], "failed", None)
    without = script_of(
        WEBHOOK.replace("        else: failed\n", "").replace("  failed: [say: Never mind., end]\n", "")
    )
    assert said(talk(without, {}).fetched(None)) == ["You have , ."]


def test_while_a_webhook_is_asked_only_an_opt_out_is_answered() -> None:
    conversation = talk(script_of(WEBHOOK), {})
    asked = conversation.silent()
    for reply in (conversation.heard("Yes."), conversation.key("1"), conversation.not_joined(), asked):
        assert (reply.lines, reply.effects, reply.wait) == ((), (), asked.wait)
    reply = conversation.heard("Stop calling me.")
    assert (conversation.code, reply.wait) == ("DNC", None)
    late = conversation.fetched({"balance": "20"})
    assert (late.lines, late.wait) == ((), None)


def test_an_answer_that_nobody_asked_for_changes_nothing() -> None:
    conversation = talk(script_of(WEBHOOK), {})
    conversation.fetched({"balance": "20"})
    reply = conversation.fetched({"balance": "30"})
    assert (reply.lines, reply.effects) == ((), ())


def test_a_copy_keeps_what_was_fetched_apart() -> None:
    conversation = talk(script_of(WEBHOOK), {})
    before = copy.deepcopy(conversation)
    conversation.fetched({"balance": "20"})
    assert said(before.fetched({"balance": "30"})) == ["You have thirty, ."]


def test_the_secrets_of_a_script_are_known_by_name() -> None:
    assert list(secret_names(script_of(WEBHOOK))) == ["CRM"]


def test_a_recording_is_one_line_and_is_not_synthesised(tmp_path: Path) -> None:
    source = (
        "variables: {name: required}\nsteps:\n  a:\n    - say: {text: 'Hello {name}. Well.', audio: sound/hi.wav}\n"
        "    - say: More.\n    - end\n"
    )
    script = script_of(source)
    reply = Interpreter(script, {"name": "Anna"}, now=NOW).start()
    assert reply.lines == (Line("Hello Anna. Well.", audio="sound/hi.wav"), Line("More."))
    assert "More." in static_phrases(script)
    assert not any("Well" in phrase for phrase in phrases(script, ANNA))
    path = tmp_path / "bot.yaml"
    path.write_text(source, encoding="utf-8")
    with pytest.raises(Exception, match=r"line 4: there is no recording `sound/hi.wav`. Put the file beside"):
        load_script(path, "bot.yaml")
    (tmp_path / "sound").mkdir()
    (tmp_path / "sound" / "hi.wav").write_bytes(b"RIFF")
    assert load_script(path).steps


def test_what_is_known_only_in_the_call_is_not_synthesised_before() -> None:
    script = script_of(
        """
        variables: {name: required, amount: {default: "5"}}
        currency: USD
        steps:
          a:
            - say: "{name} owes {amount|money}. Today is {today}. This is {language}."
            - collect: {into: n, type: number, ask: "How many, {name}?", confirm: "{n}. Right?"}
            - assign: {t: x}
            - say: "{t}."
            - end
        """
    )
    found = phrases(script, {"name": "Anna"})
    assert found[:4] == ["Anna owes five dollars.", "This is en.", "How many, Anna?", "Right?"]
    reply = Interpreter(script, {"name": "Anna"}, now=NOW).start()
    assert set(said(reply)) - set(found) == {"Today is Wednesday, March fourth."}


def test_vietnamese_values_are_said_in_vietnamese() -> None:
    script = script_of(
        """
        language: vi
        currency: VND
        variables: {amount: required}
        steps:
          a:
            - say: "{amount|money}, {amount|plural: đồng}."
            - collect: {into: day, type: date, ask: "Hôm nào?", confirm: "{day} phải không?"}
            - end
        """
    )
    conversation = Interpreter(script, {"amount": "1500000"}, now=NOW)
    assert said(conversation.start())[0].startswith("một triệu năm trăm nghìn đồng")
    reply = conversation.heard("Thứ sáu.")
    assert "thứ sáu" in said(reply)[0].lower()
    assert conversation.heard("Đúng rồi.").effects == (Keep("day", "2026-03-06"),)
