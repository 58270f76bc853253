"""OpenID Connect Registration §5: the list behind `sector_identifier_uri`, fetched for real."""

import pytest
from tests.key_server import key_server

from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.core.errors import ApiError
from safeconduct.services.sectors import MAX_BYTES, Sectors

URIS = ["https://a.example/cb", "https://b.example/cb"]


@pytest.mark.rfc("OIDC#8.1")
@pytest.mark.attack("G1")
@pytest.mark.attack("G2")
async def test_whoever_claims_a_sector_is_listed_by_it() -> None:
    outbound, closed = GuardedOutbound(["127.0.0.1"]), GuardedOutbound()
    async with key_server() as server:
        sectors = Sectors(outbound)
        server.jwks = ["https://c.example/cb", *URIS]  # type: ignore[assignment]
        await sectors.check(server.url, URIS)
        for wrong in (URIS[:1], {"redirect_uris": URIS}, [*URIS, 7], "https://a.example/cb", None):
            server.jwks = wrong  # type: ignore[assignment]
            await refused(sectors, server.url)
        server.jwks = URIS  # type: ignore[assignment]
        server.status = 404
        await refused(sectors, server.url)
        server.status = 200
        for body in (b"no json", b"[" * 20_000, b'["' + b"x" * MAX_BYTES + b'"]'):
            server.body = body  # type: ignore[assignment]
            await refused(sectors, server.url)
        server.body = None
        asked = server.requests
        await refused(Sectors(closed), server.url)  # an address inside, by the usual guard
        assert server.requests == asked
        await sectors.check(server.url, URIS)
    await outbound.close()
    await closed.close()


async def refused(sectors: Sectors, uri: str) -> None:
    with pytest.raises(ApiError) as error:
        await sectors.check(uri, URIS)
    assert (error.value.status, error.value.code) == (400, "invalid_client_metadata")
    assert error.value.field == "sector_identifier_uri"
