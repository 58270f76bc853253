"""The app that waits while its person signs in, as the pages show it."""

from dataclasses import dataclass

from safeconduct.core.client_document import is_document_id
from safeconduct.core.landing import form_action, shown_host
from safeconduct.core.model import Client
from safeconduct.services.authorize import Authorize
from safeconduct.web.kit.journey import Journey

PAPERS = {"tos_uri": "Terms", "policy_uri": "Privacy policy"}


@dataclass(frozen=True, slots=True)
class ClientView:
    """The app's own words, and what we know of it."""

    name: str
    host: str
    verified: bool
    document_host: str | None  # where it describes itself, if its id is an address
    papers: tuple[tuple[str, str], ...]  # title and address of its terms and its privacy policy


@dataclass(frozen=True, slots=True)
class Companion:
    """Without an app everything is empty."""

    client: ClientView | None = None
    login_hint: str = ""
    form_action: tuple[str, ...] = ()


class Companions:
    def __init__(self, authorize: Authorize) -> None:
        self.authorize = authorize

    async def of(self, journey: Journey) -> Companion:
        if journey.pending is None:
            return Companion()
        sound = await self.authorize.describe(journey.pending)
        if not isinstance(sound, tuple):
            return Companion()
        client, ask = sound
        uri = ask.target.redirect_uri
        hint = (ask.login_hint or "")[:254]
        return Companion(client_view(client, uri), hint, (form_action(uri),))


def client_view(client: Client, redirect_uri: str) -> ClientView:
    papers = [
        (title, str(client.metadata[name]))
        for name, title in PAPERS.items()
        if str(client.metadata.get(name)).startswith(("https://", "http://"))
    ]
    return ClientView(
        name=client.client_name or client.id,
        host=shown_host(redirect_uri),
        verified=client.verified,
        document_host=shown_host(client.id) if is_document_id(client.id) else None,
        papers=tuple(papers),
    )
