"""Text messages through an HTTP gateway of Twilio's shape, or into the development mailbox.

twilio://SID:TOKEN@api.twilio.com?from=%2B15005550006   Messages API, over https
twilio+http://SID:TOKEN@127.0.0.1:9000?from=…           the same, for a gateway beside us
smtp://127.0.0.1:8403                                   as mail to <number>@sms.invalid
"""

from dataclasses import dataclass, field, replace
from urllib.parse import parse_qs, unquote, urlsplit

import structlog

from safeconduct.adapters.mail import SmtpMessenger
from safeconduct.core.errors import ProviderError
from safeconduct.core.secret import Secret
from safeconduct.ports.messages import Message, Messenger, Undeliverable
from safeconduct.ports.outbound import Outbound, OutboundRequest

TIMEOUT_S = 10.0
MAX_ANSWER = 65_536
MAILBOX = "sms.invalid"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    origin: str
    account: str
    token: str = field(repr=False)
    sender: str


class TwilioTexts:
    """POST /2010-04-01/Accounts/{sid}/Messages.json, with HTTP Basic; 201 is accepted."""

    def __init__(self, gateway: Gateway, outbound: Outbound) -> None:
        self.gateway, self.outbound = gateway, outbound

    async def send(self, message: Message) -> None:
        gateway = self.gateway
        kind = "MessagingServiceSid" if gateway.sender.startswith("MG") else "From"
        request = OutboundRequest(
            method="POST",
            url=f"{gateway.origin}/2010-04-01/Accounts/{gateway.account}/Messages.json",
            form={"To": message.to, kind: gateway.sender, "Body": message.text},
            basic=(gateway.account, gateway.token),
            timeout_s=TIMEOUT_S,
            max_bytes=MAX_ANSWER,
        )
        try:
            answer = await self.outbound.send(request)
        except ProviderError as error:
            raise Undeliverable(error.code) from None
        if answer.status not in (200, 201):
            _log.warning("sms.refused", status=answer.status)
            raise Undeliverable(f"the gateway answered {answer.status}")


class MailedTexts:
    """For development: a text message becomes a mail to the number at `sms.invalid`."""

    def __init__(self, mail: Messenger) -> None:
        self.mail = mail

    async def send(self, message: Message) -> None:
        await self.mail.send(replace(message, to=f"{message.to}@{MAILBOX}"))


class LoggedTexts:
    """For a loopback issuer without a gateway: the log is where developers look."""

    async def send(self, message: Message) -> None:
        _log.info("sms", to=message.to, text=message.text)


def texts(url: Secret | None, sender: str, outbound: Outbound, *, issuer: str) -> Messenger | None:
    """The gateway that is configured; None where nobody gets text messages."""
    if url is None:
        return LoggedTexts() if issuer.startswith("http://") else None
    parts = urlsplit(url.reveal())
    if parts.scheme in ("smtp", "smtps"):
        return MailedTexts(SmtpMessenger(url, sender))
    return TwilioTexts(gateway_of(url), outbound)


def gateway_of(url: Secret) -> Gateway:
    parts = urlsplit(url.reveal())
    sender = parse_qs(parts.query).get("from", [""])[0]
    if parts.scheme not in ("twilio", "twilio+http") or not parts.hostname or not sender:
        raise ValueError("the address of the gateway is twilio://SID:TOKEN@host?from=NUMBER")
    scheme = "http" if parts.scheme.endswith("+http") else "https"
    port = f":{parts.port}" if parts.port else ""
    return Gateway(
        origin=f"{scheme}://{parts.hostname}{port}",
        account=unquote(parts.username or ""),
        token=unquote(parts.password or ""),
        sender=sender,
    )
