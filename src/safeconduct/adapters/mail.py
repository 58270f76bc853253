"""Messages by SMTP (RFC 5321), with TLS whenever the server offers it, bounded in time."""

import asyncio
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import unquote, urlsplit

import aiosmtplib
import structlog

from safeconduct.core.secret import Secret
from safeconduct.ports.messages import Message, Messenger, NotConfigured, Undeliverable

TIMEOUT_S = 10.0


class SmtpMessenger:
    """Implements `ports.messages.Messenger` over one connection a message.

    `url` is `smtp://user:password@host:587` or `smtps://…:465`.
    """

    def __init__(self, url: Secret, sender: str, *, timeout_s: float = TIMEOUT_S) -> None:
        parts = urlsplit(url.reveal())
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise ValueError("the address of the mail server is smtp://host or smtps://host")
        self._tls = parts.scheme == "smtps"
        self._host = parts.hostname
        self._port = parts.port or (465 if self._tls else 25)
        self._user = unquote(parts.username) if parts.username else None
        self._password = Secret(unquote(parts.password)) if parts.password else None
        self._sender, self._timeout_s = sender, timeout_s

    def __repr__(self) -> str:
        return f"SmtpMessenger({self._host}:{self._port})"

    async def send(self, message: Message) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await aiosmtplib.send(
                    self._compose(message),
                    hostname=self._host,
                    port=self._port,
                    username=self._user,
                    password=self._password.reveal() if self._password else None,
                    use_tls=self._tls,
                    timeout=self._timeout_s,
                )
        except (aiosmtplib.SMTPException, OSError, TimeoutError, ssl.SSLError, ValueError) as error:
            # ValueError: a line break where a header must have none
            raise Undeliverable(type(error).__name__) from error

    def _compose(self, message: Message) -> EmailMessage:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = self._sender, message.to, message.subject
        mail["Date"] = formatdate()
        mail["Message-ID"] = make_msgid(domain=self._sender.rpartition("@")[2] or None)
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834 §5: no holiday replies
        mail.set_content(message.text)
        if message.html is not None:
            mail.add_alternative(message.html, subtype="html")
        return mail


class ConsoleMessenger:
    """Writes messages to the log instead of sending them: for one's own machine only."""

    async def send(self, message: Message) -> None:
        structlog.get_logger().warning(
            "message.not_sent", to=message.to, subject=message.subject, text=message.text
        )


class NoMessenger:
    """There is no mail server: whoever asks for a message is told so, and nothing is logged."""

    async def send(self, message: Message) -> None:
        raise NotConfigured("no mail server is configured")


def messenger(smtp_url: Secret | None, sender: str, *, issuer: str) -> Messenger:
    """SMTP when it is configured; else the log on a loopback issuer, and nothing elsewhere."""
    if smtp_url is not None:
        return SmtpMessenger(smtp_url, sender)
    return ConsoleMessenger() if issuer.startswith("http://") else NoMessenger()
