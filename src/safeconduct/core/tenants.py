"""Tenants as values: what may be chosen for one, and how one is made."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from safeconduct.core.branding import MAX_NAME, branding_document, chosen_branding
from safeconduct.core.display import display_name
from safeconduct.core.errors import ApiError, bad_request
from safeconduct.core.model import Tenant, TenantId, TenantLogo
from safeconduct.core.realm import HOST, ROOT, SLUG, Realm, hosts_of
from safeconduct.core.tenant_policy import chosen_policy, policy_document
from safeconduct.core.unit import Find, Ref

MAX_TENANTS = 10_000  # all of them are held open in memory

RESERVED = frozenset({"default", "api", "admin", "console", "static", "www"})
"""Slugs that would read as something of the deployment's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    slug: str
    host: str | None
    name: str
    policy: Mapping[str, Any]
    branding: Mapping[str, Any]


def tenant_ref(tenant_id: TenantId) -> Ref[Tenant]:
    return Ref(Tenant, tenant_id=tenant_id)


def logo_ref(tenant_id: TenantId) -> Ref[TenantLogo]:
    return Ref(TenantLogo, tenant_id=tenant_id)


def anchor() -> Ref[Tenant]:
    """The row that everybody locks who makes a tenant."""
    return tenant_ref(ROOT)


def last_numbered() -> Find[Tenant]:
    return Find(Tenant, {}, order=("-number",), limit=1)


def chosen(data: Mapping[str, Any], tenant: Tenant | None, base: str) -> Chosen:
    """What was asked for, checked, on top of what there is; `base` is the deployment's issuer."""
    unknown = sorted(data.keys() - {"slug", "host", "name", "policy", "branding"})
    if unknown:
        raise bad_request("invalid_request", "There is no such field.", field=unknown[0])
    if tenant is not None and "slug" in data and data["slug"] != tenant.slug:
        raise ApiError(
            409,
            "slug_fixed",
            "A slug is part of the issuer, and an issuer never changes.",
            field="slug",
        )
    if tenant is not None and tenant.tenant_id == ROOT and data.get("host") is not None:
        raise ApiError(409, "root_tenant", "The first tenant has the deployment's host.")
    return Chosen(
        slug=tenant.slug if tenant else _slug(data.get("slug")),
        host=_host(data["host"], base) if "host" in data else (tenant.host if tenant else None),
        name=_name(data["name"]) if "name" in data or not tenant else tenant.name,
        policy=chosen_policy(_object(data, "policy"), tenant.policy if tenant else {}),
        branding=chosen_branding(_object(data, "branding"), tenant.branding if tenant else {}),
    )


def name_of(data: Mapping[str, Any]) -> str | None:
    """The host name that is asked for, if one is."""
    host = data.get("host")
    return host.lower() if isinstance(host, str) else None


def new_tenant(number: int, asked: Chosen, now: int) -> Tenant:
    return Tenant(
        tenant_id=TenantId(f"t{number}"),
        number=number,
        slug=asked.slug,
        host=asked.host,
        name=asked.name,
        status="active",
        policy=asked.policy,
        branding=asked.branding,
        created_at=now,
        updated_at=now,
    )


def changed(tenant: Tenant, asked: Chosen) -> dict[str, Any]:
    """The columns that would be others."""
    names = ("host", "name", "policy", "branding")
    return {
        name: getattr(asked, name)
        for name in names
        if getattr(asked, name) != getattr(tenant, name)
    }


def tenant_document(tenant: Tenant, realm: Realm) -> dict[str, Any]:
    """As the API and the command line show it."""
    return {
        "id": tenant.tenant_id,
        "number": tenant.number,
        "slug": tenant.slug,
        "host": tenant.host,
        "name": tenant.name,
        "status": tenant.status,
        "issuer": realm.issuer,
        "policy": policy_document(realm.policy),
        "branding": branding_document(realm.branding),
        "created_at": tenant.created_at,
        "updated_at": tenant.updated_at,
    }


def _slug(value: Any) -> str:
    if not isinstance(value, str) or not SLUG.fullmatch(value):
        raise bad_request(
            "invalid_slug",
            "A slug has 1 to 40 lower-case letters, digits and inner hyphens.",
            field="slug",
        )
    if value in RESERVED:
        raise bad_request("invalid_slug", "This slug is the deployment's own.", field="slug")
    return value


def _host(value: Any, base: str) -> str | None:
    if value is None:
        return None
    host = value.lower() if isinstance(value, str) else ""
    if not HOST.fullmatch(host):
        raise bad_request("invalid_host", "This is not a host name.", field="host")
    if host in hosts_of(base):
        raise bad_request("invalid_host", "This is the deployment's own host.", field="host")
    return host


def _name(value: Any) -> str:
    name = display_name(value) if isinstance(value, str) else ""
    if not name or len(name) > MAX_NAME:
        raise bad_request("invalid_name", f"A name has 1 to {MAX_NAME} characters.", field="name")
    return name


def _object(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = data.get(name, {})
    if not isinstance(value, Mapping):
        raise bad_request("invalid_request", f"{name} must be an object.", field=name)
    return value
