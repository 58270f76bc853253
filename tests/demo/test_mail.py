"""The mail catcher, spoken to as a mail client and as a browser would."""

from collections.abc import AsyncIterator
from email.message import EmailMessage

import aiosmtplib
import httpx2
import pytest

from safeconduct.demo.mail import Mailbox


@pytest.fixture
async def mailbox(unused_tcp_port: int) -> AsyncIterator[tuple[Mailbox, int]]:
    mailbox = Mailbox()
    server = await mailbox.listen(unused_tcp_port)
    yield mailbox, unused_tcp_port
    server.close()
    await server.wait_closed()


async def send(port: int, to: str, subject: str, text: str, html: str | None = None) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "no-reply@id.example", to, subject
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    await aiosmtplib.send(message, hostname="127.0.0.1", port=port)


def browser(mailbox: Mailbox) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(mailbox.pages())
    return httpx2.AsyncClient(transport=transport, base_url="http://mail.example")


async def test_messages_are_readable_as_json_newest_first(mailbox: tuple[Mailbox, int]) -> None:
    box, port = mailbox
    await send(port, "Ada@example.com", "Your code", "Hello.\n\nYour code is 402918.\n")
    await send(port, "bob@example.com", "Größe", "No code here, only 12345.", "<b>none</b>")
    async with browser(box) as client:
        said = await client.get("/_mail", headers={"accept": "application/json"})
    first, second = said.json()["messages"]
    assert (first["to"], first["subject"], first["code"]) == (["bob@example.com"], "Größe", None)
    assert (second["to"], second["code"]) == (["ada@example.com"], "402918")
    assert second["from"] == "no-reply@id.example"
    assert said.headers["cache-control"] == "no-store"


async def test_one_address_can_be_asked_for(mailbox: tuple[Mailbox, int]) -> None:
    box, port = mailbox
    await send(port, "ada@example.com", "One", "111111")
    await send(port, "bob@example.com", "Two", "222222")
    async with browser(box) as client:
        said = await client.get("/_mail?to=ada@example.com", headers={"accept": "application/json"})
    assert [message["code"] for message in said.json()["messages"]] == ["111111"]


async def test_people_see_a_page_on_which_mail_is_only_text(mailbox: tuple[Mailbox, int]) -> None:
    box, port = mailbox
    await send(port, "ada@example.com", "<script>alert(1)</script>", "Code: 654321")
    async with browser(box) as client:
        page = (await client.get("/_mail")).text
    assert "654321" in page
    assert "&lt;script&gt;" in page
    assert "<script>" not in page


async def test_the_catcher_listens_on_loopback_only(unused_tcp_port: int) -> None:
    server = await Mailbox().listen(unused_tcp_port)
    names = [socket.getsockname() for socket in server.sockets]
    server.close()
    assert names == [("127.0.0.1", unused_tcp_port)]


async def test_it_forgets_the_oldest(mailbox: tuple[Mailbox, int]) -> None:
    box, port = mailbox
    await send(port, "first@example.com", "Oldest", "")
    for _ in range(200):
        box.messages.appendleft(box.messages[0])
    await send(port, "last@example.com", "Newest", "")
    assert len(box.messages) == 200
    assert box.messages[0].subject == "Newest"
