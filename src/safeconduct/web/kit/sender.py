"""The keys that a request shows beside its credentials, for a hot endpoint."""

from safeconduct.core.sender import NOBODY, Sender
from safeconduct.web.kit.http import Request


def sender_of(request: Request) -> Sender:
    """Carried, not judged: two `DPoP` headers are two here, and refused where one is wanted."""
    proofs = _proofs(request)
    if proofs or request.certificate is not None or b"client_assertion" in request.body:
        return _sender(request, proofs)
    return NOBODY


def shown_with(request: Request, scheme: str) -> Sender:
    """The same for a request that shows an access token."""
    if scheme == "bearer" and request.certificate is None:
        return NOBODY
    return _sender(request, _proofs(request), scheme)


def _proofs(request: Request) -> tuple[str, ...]:
    return tuple([value.decode("latin-1") for name, value in request.headers if name == b"dpop"])


def _sender(request: Request, proofs: tuple[str, ...], scheme: str = "") -> Sender:
    realm = request.realm
    return Sender(
        scheme=scheme,
        method=request.method,
        path=request.path,
        proofs=proofs,
        certificate=request.certificate,
        issuer=None if realm is None or realm.shared else realm.issuer,
    )
