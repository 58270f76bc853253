"""A mail catcher: SMTP on loopback, and a page that shows what arrived.

Nothing leaves the machine. People read `/_mail`; programs ask it for `application/json`.
"""

import asyncio
import email
import email.policy
import re
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope
from jinja2 import Environment, FileSystemLoader
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

_PAGES = Environment(loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True)
_CODE = re.compile(r"(?<![\d.])\d{6,8}(?!\d|\.\d)")


@dataclass(frozen=True, slots=True)
class Caught:
    """One message. `code` is the first run of six to eight digits in its text."""

    at: int
    sender: str
    to: tuple[str, ...]
    subject: str
    text: str

    @property
    def code(self) -> str | None:
        found = _CODE.search(self.text)
        return found.group() if found else None

    def as_json(self) -> dict[str, Any]:
        return {
            "at": self.at,
            "from": self.sender,
            "to": list(self.to),
            "subject": self.subject,
            "text": self.text,
            "code": self.code,
        }


class Mailbox:
    """The last two hundred messages, newest first. Also the handler that aiosmtpd calls."""

    def __init__(self) -> None:
        self.messages: deque[Caught] = deque(maxlen=200)

    async def handle_DATA(self, server: SMTP, session: object, envelope: Envelope) -> str:
        content = envelope.content
        raw = content.encode() if isinstance(content, str) else content or b""
        self.messages.appendleft(_read(raw, envelope.mail_from or "", tuple(envelope.rcpt_tos)))
        return "250 OK"

    async def listen(self, port: int) -> asyncio.Server:
        """Accept SMTP on this port of the loopback interface."""
        loop = asyncio.get_running_loop()
        return await loop.create_server(
            lambda: SMTP(self, hostname="localhost", loop=loop), "127.0.0.1", port
        )

    def pages(self) -> Starlette:
        """`GET /_mail`, as a page or as JSON; `?to=` keeps the messages to one address."""
        return Starlette(routes=[Route("/_mail", self._show)])

    async def _show(self, request: Request) -> Response:
        to = request.query_params.get("to", "").lower()
        messages = [m for m in self.messages if not to or to in m.to]
        if "application/json" in request.headers.get("accept", ""):
            return JSONResponse({"messages": [m.as_json() for m in messages]}, headers=_HEADERS)
        page = _PAGES.get_template("mail.html").render(messages=messages, to=to, when=_when)
        return HTMLResponse(page, headers=_HEADERS)


_HEADERS = {"cache-control": "no-store"}
TEXTS = "@sms.invalid"
"""Text messages to phones come as mail to the number at this name."""


def _read(raw: bytes, sender: str, to: tuple[str, ...]) -> Caught:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    body = message.get_body(("plain", "html"))
    return Caught(
        at=time.time_ns() // 1_000_000,
        sender=sender,
        to=tuple(address.lower().removesuffix(TEXTS) for address in to),
        subject=str(message["subject"] or ""),
        text=str(body.get_content()) if body is not None else "",
    )


def _when(at: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at / 1000))
