"""Calico's two versions on one origin, as one surface."""

from starlette.routing import Route

from safeconduct.web.compat.calico.assets import CalicoAssets
from safeconduct.web.compat.calico.errors import DIALECT, NAME
from safeconduct.web.compat.calico.providers import CalicoProviders
from safeconduct.web.compat.calico.transactions import CalicoTransactions
from safeconduct.web.compat.calico.v1.routes import PlatformV1
from safeconduct.web.kit.surface import Services, Surface, nowhere


def routes(p: Services) -> list[Route]:
    return [
        *CalicoProviders(p).routes(),
        *CalicoAssets(assets=p.assets, access=p.access).routes(),
        *CalicoTransactions(assets=p.assets, access=p.access).routes(),
        nowhere("/accounts/v2", DIALECT),
        *PlatformV1(p).routes(),
    ]


SURFACE = Surface(
    name=NAME,
    contracts=("calico-v1", "calico-v2"),
    routes=routes,
    shared=("/", "/oauth-success/cb", "/oauth/token"),
)
