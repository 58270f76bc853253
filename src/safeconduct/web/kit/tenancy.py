"""Whose address a request came to, found once, before anything else looks at it.

    Host header ─▶ the root's, or a tenant's own ─┬─ /t/{slug}/… ─▶ that tenant, prefix taken off
                   (any other: 421)               └─ else ───────▶ the host's tenant

No address that we hand out comes from the header: all are made from the issuer. The check of the
host is against pages elsewhere that point a name of theirs at us (RFC 9110 §7.4; DNS rebinding).
"""

from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from safeconduct.core.realm import Realm, split
from safeconduct.services.realms import Realms
from safeconduct.web.kit.hosts import MISDIRECTED, RawHeaders
from safeconduct.web.kit.http import Answer, Handler, Request, asgi


class Tenancy:
    """`also` are further host names of the root."""

    def __init__(self, realms: Realms, also: Iterable[str] = ()) -> None:
        self.realms = realms
        self._also = frozenset(name.lower().encode() for name in also)

    def at_host(self, headers: RawHeaders) -> Realm | None:
        """The realm of exactly one Host header, if it is one of ours."""
        hosts = [value for name, value in headers if name == b"host"]
        if len(hosts) != 1:
            return None
        realm = self.realms.at_host(hosts[0])
        if realm is None and hosts[0].lower() in self._also:
            return self.realms.root
        return realm

    def handler(self, handler: Handler) -> Handler:
        """A hot endpoint that knows its realm. Tenants by path come through the application."""

        async def placed(request: Request) -> Answer:
            request.realm = self.at_host(request.headers)
            return MISDIRECTED if request.realm is None else await handler(request)

        return placed

    def app(self, app: ASGIApp) -> ASGIApp:
        """The application, with the realm in `request.state.realm`."""

        async def placed(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            realm = self.at_host(scope["headers"])
            if realm is None:
                await asgi(_misdirected)(scope, receive, send)
                return
            self._place(scope, realm)
            await app(scope, receive, send)

        return placed

    def _place(self, scope: Scope, realm: Realm) -> None:
        """In the scope itself, where the log looks for what became of it."""
        named = split(scope["path"]) if realm.shared else None
        found = self.realms.at_slug(named[0]) if named else None
        if named and found:
            realm, path = found, named[1]
            scope.update(path=path, raw_path=path.encode())
        scope["state"] = {**scope.get("state", {}), "realm": realm}


async def _misdirected(_: Request) -> Answer:
    return MISDIRECTED
