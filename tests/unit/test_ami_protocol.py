"""The manager protocol's codec: what comes, what goes, and what is refused."""

from __future__ import annotations

import pytest

from telephony.ami.errors import AmiProtocolError, InvalidAction
from telephony.ami.protocol import (
    MAX_LINE_BYTES,
    MAX_MESSAGE_BYTES,
    Decoder,
    Event,
    Greeting,
    Received,
    Response,
    encode_action,
    variable,
)

GREETING = b"Asterisk Call Manager/11.0.0\r\n"


def decode(data: bytes) -> list[Received]:
    decoder = Decoder()
    return [*decoder.feed(GREETING), *decoder.feed(data)][1:]


def test_the_greeting_has_no_empty_line_after_it() -> None:
    assert list(Decoder().feed(GREETING)) == [Greeting("Asterisk Call Manager/11.0.0")]


@pytest.mark.parametrize("other", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\r\n", b"220 mail ESMTP\n"])
def test_another_service_is_told_at_its_first_line(other: bytes) -> None:
    with pytest.raises(AmiProtocolError, match="greeting"):
        list(Decoder().feed(other))


def test_responses_and_events_are_told_apart() -> None:
    response, event = decode(b"Response: Success\r\nActionID: 7\r\n\r\nEvent: Hangup\r\nCause: 17\r\n\r\n")
    assert isinstance(response, Response)
    assert (response.success, response.action_id) == (True, "7")
    assert isinstance(event, Event)
    assert (event.name, event.get("cause"), event.get("Absent", "none")) == ("Hangup", "17", "none")


def test_the_originate_response_event_is_an_event() -> None:
    (message,) = decode(b"Event: OriginateResponse\r\nResponse: Failure\r\nReason: 0\r\n\r\n")
    assert isinstance(message, Event)
    assert message.get("Response") == "Failure"


def test_an_error_keeps_its_text() -> None:
    (message,) = decode(b"Response: Error\r\nMessage: Permission denied\r\n\r\n")
    assert isinstance(message, Response)
    assert (message.success, message.text) == (False, "Permission denied")


def test_the_output_of_a_command_keeps_lines_and_indentation() -> None:
    (message,) = decode(b"Response: Success\r\nOutput: Name: x\r\nOutput:   2 channels\r\nOutput: \r\n\r\n")
    assert message.all("Output") == ["Name: x", "  2 channels", ""]  # type: ignore[union-attr]


def test_repeated_keys_keep_their_order() -> None:
    (message,) = decode(b"Event: E\r\nChanVariable: a=1\r\nChanVariable: b=2\r\n\r\n")
    assert message.all("chanvariable") == ["a=1", "b=2"]  # type: ignore[union-attr]


def test_a_line_without_colon_and_bytes_that_are_no_text_lose_nothing_else() -> None:
    (message,) = decode(b"Event: E\r\nnonsense\r\nName: \xff\xfe\r\nLast: 1\r\n\r\n")
    assert message.fields == (("Event", "E"), ("", "nonsense"), ("Name", "��"), ("Last", "1"))  # type: ignore[union-attr]


def test_empty_lines_between_messages_are_nothing() -> None:
    assert [type(message) for message in decode(b"\r\n\r\nEvent: E\r\n\r\n\r\n")] == [Event]


def test_a_line_without_end_is_refused() -> None:
    with pytest.raises(AmiProtocolError, match="line of more"):
        decode(b"Event: " + b"x" * MAX_LINE_BYTES)


def test_a_long_line_is_refused_even_when_it_ends() -> None:
    with pytest.raises(AmiProtocolError, match="line of more"):
        decode(b"Event: " + b"x" * MAX_LINE_BYTES + b"\r\n")


def test_a_message_without_end_is_refused() -> None:
    line = b"Key: " + b"x" * 1000 + b"\r\n"
    with pytest.raises(AmiProtocolError, match="message of more"):
        decode(line * (MAX_MESSAGE_BYTES // 1000 + 1))


def test_what_came_before_a_fault_is_not_lost() -> None:
    stream = Decoder().feed(GREETING + b"Event: E\r\n\r\n" + b"x" * (MAX_LINE_BYTES + 1))
    assert [type(next(stream)), type(next(stream))] == [Greeting, Event]
    with pytest.raises(AmiProtocolError):
        next(stream)


def test_an_action_is_lines_and_an_empty_line() -> None:
    data = encode_action("Originate", [("Channel", "PJSIP/1@trunk"), ("Variable", "NAME=Mùa")], action_id="a1")
    assert data == (
        "Action: Originate\r\nActionID: a1\r\nChannel: PJSIP/1@trunk\r\nVariable: NAME=Mùa\r\n\r\n".encode()
    )


@pytest.mark.parametrize("value", ["a\r\nAction: Command", "a\n", "\r", "nul\0", "half \ud800"])
def test_a_value_cannot_end_its_line(value: str) -> None:
    with pytest.raises(InvalidAction, match="Channel"):
        encode_action("Originate", [("Channel", value)], action_id="1")
    with pytest.raises(InvalidAction, match="ActionID"):
        encode_action("Originate", [], action_id=value)


@pytest.mark.parametrize("key", ["", "Two Words", "A:B", "X\r\nAction", "1st", "Schlüssel"])
def test_a_key_cannot_be_anything_else(key: str) -> None:
    with pytest.raises(InvalidAction, match="key"):
        encode_action("Originate", [(key, "x")], action_id="1")


def test_what_asterisk_would_cut_is_refused() -> None:
    with pytest.raises(InvalidAction, match="1022 a line"):
        encode_action("Originate", [("Data", "x" * 1020)], action_id="1")
    with pytest.raises(InvalidAction, match="at most 127"):
        encode_action("Originate", [("Variable", "a=1")] * 126, action_id="1")


def test_variables_keep_commas_quotes_and_brackets() -> None:
    assert variable("NAME", 'a,"b"\\(c]') == ("Variable", 'NAME=a\\,\\"b\\"\\\\\\(c\\]')
    assert variable("PJSIP_HEADER(add,X-Campaign)", "Mùa") == ("Variable", "PJSIP_HEADER(add,X-Campaign)=Mùa")


@pytest.mark.parametrize("name", ["", "A B", "X=Y", "F(a", "F(a)b", "SHELL(rm -rf)", "A\r\nB"])
def test_a_name_that_is_no_variable_is_refused(name: str) -> None:
    with pytest.raises(InvalidAction, match="variable"):
        variable(name, "1")
