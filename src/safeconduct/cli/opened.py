"""A command's hold on a deployment: open, use, close, and errors as sentences."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from safeconduct.cli.options import Where
from safeconduct.cli.show import Failed

if TYPE_CHECKING:
    from safeconduct.app import Platform

T = TypeVar("T")
ACTOR = "operator"


def run(where: Where, use: Callable[["Platform"], Awaitable[T]], **flags: Any) -> T:
    """Open the deployment, run `use` on it, close it again."""
    from safeconduct.adapters.keyring import RootKeyError
    from safeconduct.core.errors import ApiError, OAuthError, ProviderError
    from safeconduct.ports.keyring import Sealed, Unsealable
    from safeconduct.ports.store import Conflict, Unavailable

    settings = where.settings(**flags)

    async def work() -> T:
        from safeconduct.app import opened

        async with opened(settings) as platform:
            return await use(platform)

    try:
        return asyncio.run(work())
    except ApiError as error:
        raise Failed(" ".join(filter(None, (error.title, error.detail)))) from None
    except OAuthError as error:
        raise Failed(f"{error.error}: {error.description}") from None
    except ProviderError as error:
        raise Failed(f"The provider: {error} ({error.detail or error.remedy}).") from None
    except RootKeyError as error:
        raise Failed(str(error)) from None
    except (Sealed, Unsealable) as error:
        raise Failed(f"The vault does not open: {error}.") from None
    except (Unavailable, Conflict) as error:
        raise Failed(f"The database: {error}.") from None
