"""A tenant as requests meet it: its issuer, where it is reached, and what it has decided.

An issuer may have a path (RFC 8414 §3.1, OpenID Connect Discovery §4.1); the first tenant has the
deployment's own. What stands behind the issuer is the same for every tenant, so the shell takes
the prefix off and everything below it knows one set of paths.

    https://id.example/oauth2/token           the first tenant
    https://id.example/t/acme/oauth2/token    a tenant by path
    https://login.acme.example/oauth2/token   a tenant by host name
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from safeconduct.core.branding import Branding, branding_of
from safeconduct.core.model import Tenant, TenantId
from safeconduct.core.policy import Policy
from safeconduct.core.tenant_policy import TenantPolicy, tenant_policy

ROOT = TenantId("t1")
"""The deployment's own tenant: it has the bare issuer, and its administrators rule the others."""

PREFIX = "/t/"
WELL_KNOWN = "/.well-known/"

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
HOST = re.compile(r"(?=.{1,253}(?::|$))[a-z0-9-]+(?:\.[a-z0-9-]+)*(?::[0-9]{1,5})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Realm:
    """`prefix` is what the issuer's path adds to every path. `shared`: the bare issuer, where the
    endpoints of all tenants live that learn the tenant from the credential."""

    tenant_id: TenantId
    slug: str
    name: str
    issuer: str
    prefix: str
    suspended: bool
    policy: TenantPolicy
    lifetimes: Mapping[str, Policy]  # by the profile of the client
    branding: Branding

    @property
    def shared(self) -> bool:
        return self.tenant_id == ROOT

    def serves(self, tenant_id: TenantId) -> bool:
        """Whether what belongs to that tenant may be used here, at an endpoint for all."""
        return self.shared or tenant_id == self.tenant_id


def realm_of(tenant: Tenant, base: str, registration: str = "off") -> Realm:
    """`base` is the deployment's issuer, `registration` its rule for tenants without their own."""
    prefix = "" if tenant.tenant_id == ROOT or tenant.host else PREFIX + tenant.slug
    issuer = base + prefix
    if tenant.host and tenant.tenant_id != ROOT:
        issuer = f"{urlsplit(base).scheme}://{tenant.host}"
    policy = tenant_policy(tenant.policy, registration)
    return Realm(
        tenant_id=tenant.tenant_id,
        slug=tenant.slug,
        name=tenant.name,
        issuer=issuer,
        prefix=prefix,
        suspended=tenant.status != "active",
        policy=policy,
        lifetimes=policy.lifetimes(),
        branding=branding_of(tenant.branding, tenant.name),
    )


def split(path: str) -> tuple[str, str] | None:
    """The slug in a path, and the path without it; None for a path that names no tenant.

    RFC 8414 §3.1 puts the issuer's path behind the well-known name, OpenID Connect Discovery
    §4.1 before it.
    """
    if path.startswith(PREFIX):
        slug, _, rest = path[len(PREFIX) :].partition("/")
        return slug, "/" + rest
    if path.startswith(WELL_KNOWN):
        name, mark, rest = path[len(WELL_KNOWN) :].partition(PREFIX)
        if mark and "/" not in name:
            slug, slash, more = rest.partition("/")
            return slug, WELL_KNOWN + name + slash + more
    return None


def hosts_of(issuer: str) -> Iterator[str]:
    """The Host headers that name an issuer: with and without a default port (RFC 9110 §7.2)."""
    parts = urlsplit(issuer)
    default = {"https": ":443", "http": ":80"}[parts.scheme]
    bare = parts.netloc.lower().removesuffix(default)
    yield bare
    if parts.port in (None, int(default[1:])):
        yield bare + default
