"""Messages over real SMTP."""

import asyncio
import socket
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest
import structlog
from aiosmtpd.controller import Controller
from structlog.testing import capture_logs

from safeconduct.adapters.mail import (
    ConsoleMessenger,
    NoMessenger,
    SmtpMessenger,
    messenger,
)
from safeconduct.cli.staging import free_row
from safeconduct.core.secret import Secret
from safeconduct.ports.messages import Message, Undeliverable

MESSAGE = Message(to="ann@example.org", subject="Grüße", text="Your code:\n\n    123456\n")


class Box:
    def __init__(self) -> None:
        self.mails: list[Any] = []

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if address.startswith("nobody"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append((envelope, message_from_bytes(envelope.content, policy=default)))
        return "250 OK"


@pytest.fixture
def box() -> Iterator[tuple[Box, int]]:
    box = Box()
    (port,) = free_row(1)
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box, port
    controller.stop()


async def test_a_message_arrives(box: tuple[Box, int]) -> None:
    smtp = SmtpMessenger(Secret(f"smtp://127.0.0.1:{box[1]}"), "no-reply@id.example")
    await smtp.send(MESSAGE)
    ((envelope, mail),) = box[0].mails
    assert envelope.rcpt_tos == ["ann@example.org"]
    assert envelope.mail_from == "no-reply@id.example"
    assert mail["subject"] == "Grüße"
    assert mail["auto-submitted"] == "auto-generated"
    assert "    123456" in mail.get_content()


async def test_with_html_beside_the_text(box: tuple[Box, int]) -> None:
    smtp = SmtpMessenger(Secret(f"smtp://127.0.0.1:{box[1]}"), "no-reply@id.example")
    await smtp.send(Message("ann@example.org", "Hi", "text", "<p>html</p>"))
    mail = box[0].mails[0][1]
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]


async def test_what_is_refused_is_undeliverable(box: tuple[Box, int]) -> None:
    smtp = SmtpMessenger(Secret(f"smtp://127.0.0.1:{box[1]}"), "no-reply@id.example")
    with pytest.raises(Undeliverable):
        await smtp.send(Message("nobody@example.org", "Hi", "text"))
    await smtp.send(MESSAGE)


async def test_a_server_that_is_not_there_or_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        slow = SmtpMessenger(Secret(f"smtp://127.0.0.1:{port}"), "a@b.example", timeout_s=0.2)
        async with asyncio.timeout(2):
            with pytest.raises(Undeliverable):
                await slow.send(MESSAGE)
    gone = SmtpMessenger(Secret(f"smtp://127.0.0.1:{port}"), "a@b.example", timeout_s=1)
    with pytest.raises(Undeliverable):
        await gone.send(MESSAGE)


@pytest.mark.parametrize(
    "message",
    [
        Message("ann@example.org\nBcc: eve@evil.test", "Hi", "text"),
        Message("ann@example.org", "Hi\r\nBcc: eve@evil.test", "text"),
    ],
)
async def test_no_header_can_be_smuggled_in(box: tuple[Box, int], message: Message) -> None:
    smtp = SmtpMessenger(Secret(f"smtp://127.0.0.1:{box[1]}"), "no-reply@id.example")
    with pytest.raises(Undeliverable):
        await smtp.send(message)
    assert box[0].mails == []


def test_which_messenger() -> None:
    smtp = messenger(Secret("smtps://me:pass@mail.example"), "a@b.example", issuer="https://x")
    assert isinstance(smtp, SmtpMessenger)
    assert "pass" not in repr(smtp)
    assert isinstance(messenger(None, "a@b", issuer="http://127.0.0.1:8400"), ConsoleMessenger)
    assert isinstance(messenger(None, "a@b", issuer="https://id.example"), NoMessenger)
    with pytest.raises(ValueError, match="smtp"):
        messenger(Secret("https://mail.example"), "a@b", issuer="https://x")


async def test_without_a_mail_server() -> None:
    with pytest.raises(Undeliverable):
        await NoMessenger().send(MESSAGE)
    structlog.reset_defaults()
    with capture_logs() as logs:
        await ConsoleMessenger().send(MESSAGE)
    assert "123456" in logs[0]["text"]
