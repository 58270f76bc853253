"""The demo's stage: four real servers on loopback, two people, one app, one exchange.

Safeconduct and the mail catcher   in this process
Fernhill, the third-party app      a process of its own, told issuer and credentials
the exchange                       `safeconduct simulate`, a process of its own
"""

import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safeconduct.cli.children import child
from safeconduct.cli.show import Failed
from safeconduct.settings import load

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from safeconduct.app import Platform

PROVIDER = "exchangeExample"
DEVICE = "healthExample"
SCOPE = (
    "openid profile email offline_access "
    "connections:read connections:write assets:read transactions:read"
)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account in the demo. The passwords are no secret."""

    email: str
    password: str
    name: str
    role: str = "user"


ADA = Person("ada@example.com", "analytical engine", "Ada Lovelace")
ADMIN = Person("admin@example.com", "difference engine", "Charles Babbage", "admin")


@dataclass(frozen=True, slots=True)
class Ports:
    safeconduct: int = 8400
    provider: int = 8401
    app: int = 8402
    smtp: int = 8403


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """The running demo. Addresses are what people and the walk need."""

    platform: "Platform"
    safeconduct: str
    app: str
    provider: str
    mail: str

    def facts(self) -> dict[str, Any]:
        people = [asdict(person) for person in (ADA, ADMIN)]
        return {
            "safeconduct": self.safeconduct,
            "app": self.app,
            "provider": self.provider,
            "mail": self.mail,
            "accounts": people,
        }


def free_ports() -> Ports:
    """A row of ports for the stage that nobody uses."""
    return Ports(*free_row(4))


def free_row(count: int) -> range:
    """So many ports side by side that nobody uses.

    They are not the kernel's to lend: from its own range (32768 and up on Linux, 49152
    elsewhere) any connection that starts before we listen could be given one of them.
    """
    for _ in range(1_000):
        first = 20_000 + secrets.randbelow(12_000 - count)
        row = range(first, first + count)
        if all(map(_is_free, row)):
            return row
    raise Failed(f"There are no {count} free ports in a row between 20000 and 32000.")


def _is_free(port: int) -> bool:
    with socket.socket() as one:
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@asynccontextmanager
async def staged(
    folder: Path, ports: Ports, *, access_lifetime: int | None = None
) -> AsyncIterator[Staged]:
    """Start everything in this folder; all of it is gone when the block ends.

    `access_lifetime` makes the exchange's access tokens end after so many seconds.
    """
    from safeconduct.app import opened, web_of, working
    from safeconduct.demo.mail import Mailbox
    from safeconduct.web.kit.server import Listen, Server

    origin = f"http://127.0.0.1:{ports.safeconduct}"
    provider = f"http://127.0.0.1:{ports.provider}"
    app = f"http://127.0.0.1:{ports.app}"
    flags = {
        "port": ports.safeconduct,
        "issuer": origin,
        "data_dir": folder / "data",
        "smtp_url": f"smtp://127.0.0.1:{ports.smtp}",
        "smtp_from": "no-reply@safeconduct.example",
        "sms_url": f"smtp://127.0.0.1:{ports.smtp}",
        "simulators": provider,
        "egress_allow": ("127.0.0.1",),
    }
    async with AsyncExitStack() as stack:
        mailbox = Mailbox()
        post = await _on(ports.smtp, mailbox.listen(ports.smtp))
        stack.callback(post.close)
        simulate = ["-m", "safeconduct", "simulate", PROVIDER, DEVICE]
        simulate += ["--port", str(ports.provider)]
        if access_lifetime is not None:
            simulate += ["--access-lifetime", str(access_lifetime)]
        await stack.enter_async_context(
            child("The exchange", *simulate, port=ports.provider, log=folder / "exchange.log")
        )
        platform = await stack.enter_async_context(opened(load({}, flags).settings, serving=True))
        await stack.enter_async_context(working(platform))
        credentials = await _furnish(platform, app)
        web = web_of(platform)
        served = _with_mail(web.app, mailbox, origin)
        server = Server(served, web.hot, Listen(port=ports.safeconduct, grace_seconds=2))
        await _on(ports.safeconduct, server.start())
        stack.push_async_callback(server.stop)
        await stack.enter_async_context(
            child(
                "Fernhill",
                "-m",
                "safeconduct.demo.app",
                "--port",
                str(ports.app),
                port=ports.app,
                log=folder / "fernhill.log",
                environ={"FERNHILL_ISSUER": origin, **credentials},
            )
        )
        yield Staged(
            platform=platform,
            safeconduct=origin,
            app=app,
            provider=provider,
            mail=origin + "/_mail",
        )


async def _furnish(platform: "Platform", app: str) -> dict[str, str]:
    """People, the app's registration, and ours at the exchange; the app's credentials."""
    from safeconduct.core.secret import Secret
    from safeconduct.simulator import CLIENT_ID, CLIENT_SECRET

    tenant_id = platform.tenant_id
    for person in (ADA, ADMIN):
        await platform.users.create(
            tenant_id,
            person.email,
            actor="operator",
            password=Secret(person.password),
            name=person.name,
            role=person.role,
        )
    for provider in (PROVIDER, DEVICE):
        await platform.providers.configure(
            tenant_id,
            provider,
            client_id=CLIENT_ID,
            client_secret=Secret(CLIENT_SECRET),
            actor="operator",
        )
    made: Any = await platform.clients.create(
        tenant_id,
        {
            "client_name": "Fernhill",
            "redirect_uris": [app + "/callback"],
            "post_logout_redirect_uris": [app + "/"],
            "scope": SCOPE,
        },
        actor="operator",
    )
    document = made.document()
    return {
        "FERNHILL_CLIENT_ID": document["client_id"],
        "FERNHILL_CLIENT_SECRET": document["client_secret"],
    }


def _with_mail(app: "ASGIApp", mailbox: Any, origin: str) -> "ASGIApp":
    """The server's application, with the mail catcher's page at `/_mail`."""
    from safeconduct.web.kit.hosts import HostGuard

    mail = HostGuard(mailbox.pages(), issuer=origin)

    async def served(scope: "Scope", receive: "Receive", send: "Send") -> None:
        caught = scope["type"] == "http" and scope["path"] == "/_mail"
        await (mail if caught else app)(scope, receive, send)

    return served


async def _on(port: int, starting: Any) -> Any:
    try:
        return await starting
    except OSError as error:
        raise Failed(
            f"Cannot listen on port {port}: {error.strerror}. Is another demo running? "
            "--port takes other ports, four in a row."
        ) from None
