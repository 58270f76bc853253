"""A command's hold on a deployment: open, use, close, and errors as sentences."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from safeconduct.cli.options import Where
from safeconduct.cli.show import Failed, say

if TYPE_CHECKING:
    from safeconduct.app import Platform

T = TypeVar("T")
ACTOR = "operator"


def run(where: Where, use: Callable[["Platform"], Awaitable[T]], **flags: Any) -> T:
    """Open the deployment, run `use` on it, close it again."""
    settings = where.settings(**flags)

    async def work() -> T:
        from safeconduct.app import opened

        async with opened(settings) as platform:
            if platform.first_start:
                place = settings.sqlite_path or "PostgreSQL"
                say(f"Made a new deployment: {place}, root key {settings.root_key}.")
            if where.tenant is not None:
                platform = await _at(platform, where.tenant)
            return await use(platform)

    with sentences(), _logs_aside():
        return asyncio.run(work())


@contextmanager
def _logs_aside() -> Iterator[None]:
    """Whatever is logged goes to standard error: standard output is for the answer alone."""
    import structlog

    before = structlog.get_config()["logger_factory"]
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(file=sys.stderr))
    try:
        yield
    finally:
        structlog.configure(logger_factory=before)


async def _at(platform: "Platform", text: str) -> "Platform":
    """The same platform, for a command that works on another tenant than the first."""
    tenant = await platform.tenants.find(text)
    if tenant is None:
        raise Failed(f"There is no tenant {text!r}.")
    issuer = platform.realms.issuer(tenant.tenant_id)
    return replace(platform, tenant_id=tenant.tenant_id, issuer=issuer)


@contextmanager
def sentences() -> Iterator[None]:
    """Turn errors that have a sentence for the operator into `Failed`."""
    from safeconduct.adapters.catalog import InvalidCatalog
    from safeconduct.adapters.roots import RootKeyError
    from safeconduct.adapters.store import Refused
    from safeconduct.core.errors import ApiError, OAuthError, ProviderError
    from safeconduct.ports.keyring import Sealed, Unsealable
    from safeconduct.ports.store import Conflict, Unavailable

    try:
        yield
    except ApiError as error:
        raise Failed(" ".join(filter(None, (error.title, error.detail)))) from None
    except OAuthError as error:
        raise Failed(f"{error.error}: {error.description}") from None
    except ProviderError as error:
        raise Failed(f"The provider: {error} ({error.detail or error.remedy}).") from None
    except (RootKeyError, Refused, InvalidCatalog) as error:
        raise Failed(str(error)) from None
    except (Sealed, Unsealable) as error:
        raise Failed(f"The vault does not open: {error}.") from None
    except (Unavailable, Conflict) as error:
        raise Failed(f"The database: {error}.") from None
    except OSError as error:
        raise Failed(f"{error.strerror or error}.") from None
