"""Calico's two versions on one origin, as one surface."""

from starlette.routing import Route

from safeconduct.web.compat.calico.assets import CalicoAssets
from safeconduct.web.compat.calico.callback import CalicoCallback
from safeconduct.web.compat.calico.errors import DIALECT
from safeconduct.web.compat.calico.providers import CalicoProviders
from safeconduct.web.compat.calico.transactions import CalicoTransactions
from safeconduct.web.kit.surface import Services, Surface, nowhere


def routes(p: Services) -> list[Route]:
    return [
        *CalicoProviders(
            access=p.access,
            clients=p.clients,
            providers=p.providers,
            start=p.start,
            enter=p.enter,
            connections=p.connections,
            disconnect=p.disconnect,
        ).routes(),
        *CalicoCallback(access=p.access, providers=p.providers, complete=p.complete).routes(),
        *CalicoAssets(assets=p.assets, access=p.access).routes(),
        *CalicoTransactions(assets=p.assets, access=p.access).routes(),
        nowhere("/accounts/v2", DIALECT),
    ]


SURFACE = Surface(
    name="calico",
    contracts=("calico-v2",),
    routes=routes,
    shared=("/", "/oauth-success/cb", "/oauth/token"),
)
