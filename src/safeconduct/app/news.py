"""What other processes changed is known before the next request is answered.

Commands write beside the server, and so do other nodes. Held clients are dropped at once, because
they are read again as they are asked for; keys are read again before anything is answered,
because everything needs them.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from safeconduct.app.parts import WatchedStore
from safeconduct.ports.keyring import Sealed
from safeconduct.ports.store import Conflict, Unavailable
from safeconduct.services.clients import Clients
from safeconduct.services.keys import Keys
from safeconduct.services.resources import Resources
from safeconduct.web.kit.errors import oauth_answer, unavailable
from safeconduct.web.kit.http import Answer, Handler, Request, asgi

TROUBLE = (Unavailable, Conflict, Sealed)


class News:
    def __init__(
        self, store: WatchedStore, *, clients: Clients, keys: Keys, resources: Resources
    ) -> None:
        self.store, self.clients = store, clients
        self.keys, self.resources = keys, resources
        self._stale = False
        store.on_outside_write(self._changed)

    def _changed(self) -> None:
        self.clients.forget()
        self._stale = True

    async def heed(self) -> None:
        """Look for news; once an event-loop tick is enough, and the store sees to that."""
        self.store.notice()
        if self._stale:
            self._stale = False
            try:
                await self.keys.load()
                await self.resources.load()
            except BaseException:
                self._stale = True
                raise

    def handler(self, handler: Handler) -> Handler:
        """The handler, with news heeded first."""

        async def informed(request: Request) -> Answer:
            try:
                await self.heed()
            except TROUBLE as error:
                return oauth_answer(unavailable(error))
            return await handler(request)

        return informed

    def app(self, app: ASGIApp) -> ASGIApp:
        """The application, with news heeded first."""

        async def informed(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await self.heed()
            except TROUBLE as error:
                answer = oauth_answer(unavailable(error))

                async def refuse(_: Request) -> Answer:
                    return answer

                await asgi(refuse)(scope, receive, send)
                return
            await app(scope, receive, send)

        return informed
