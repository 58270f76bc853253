"""PyPI `django-allauth` (MIT): an adapter with the addresses, a provider with the rest."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from safeconduct.catalog_build.claims import CODE, Claim, claims, identity, words
from safeconduct.catalog_build.syntax import Class, classes, constants, method, pointer, returned

PACKAGE = "django-allauth"


def extract(folder: Path) -> Iterator[Claim]:
    for views in sorted((folder / "allauth" / "socialaccount" / "providers").glob("*/views.py")):
        file = views.with_name("provider.py")
        if not file.is_file():
            continue
        adapters, providers = classes(views.read_text()), classes(file.read_text())
        for adapter in adapters.values():
            stated = constants(adapter, adapters)
            provider = _provider_of(stated.get("provider_id"), providers)
            if provider is not None and _is_code_flow(stated):
                yield from claims(PACKAGE, stated["provider_id"], _facts(stated, *provider))


def _provider_of(
    provider_id: Any, providers: dict[str, Class]
) -> tuple[Class, dict[str, Any]] | None:
    for cls in providers.values():
        stated = constants(cls, providers)
        if provider_id and stated.get("id") == provider_id:
            return cls, stated
    return None


def _is_code_flow(stated: dict[str, Any]) -> bool:
    urls = [stated.get("authorize_url"), stated.get("access_token_url")]
    if "request_token_url" in stated:  # OAuth 1
        return False
    return all(isinstance(url, str) and url.startswith("https://") for url in urls)


def _facts(stated: dict[str, Any], provider: Class, more: dict[str, Any]) -> dict[str, Any]:
    profile = stated.get("profile_url")
    uid = method(provider, "extract_uid")
    pointers = [pointer(value) for value in returned(uid)] if uid else []
    found = pointers[0] if len(pointers) == 1 else None
    by_header = isinstance(profile, str) and "?" not in profile
    return {
        "name": more.get("name"),
        f"{CODE}.authorize_url": stated["authorize_url"],
        f"{CODE}.token_url": stated["access_token_url"],
        f"{CODE}.scope_separator": stated.get("scope_delimiter"),
        f"{CODE}.scopes": _scopes(provider),
        f"{CODE}.pkce": "S256" if more.get("pkce_enabled_default") is True else None,
        f"{CODE}.token_auth": "client_secret_basic" if stated.get("basic_auth") is True else None,
        **identity(profile if by_header else None, [found] if found else None),
    }


def _scopes(provider: Class) -> list[str] | None:
    function = method(provider, "get_default_scope")
    if function is None:
        return None
    match returned(function):
        case [value]:
            words = _strings(value)
            return words or None
    return None


def _strings(value: Any) -> list[str]:
    items = getattr(value, "elts", None)
    if not items or not all(isinstance(getattr(item, "value", None), str) for item in items):
        return []
    return words(*(item.value for item in items))
