"""The keys that a request shows beside its credentials, for a hot endpoint."""

from safeconduct.core.sender import NOBODY, Sender
from safeconduct.web.kit.http import Request


def sender_of(request: Request) -> Sender:
    """Carried, not judged: two `DPoP` headers are two here, and refused where one is wanted."""
    proofs = tuple([value.decode("latin-1") for name, value in request.headers if name == b"dpop"])
    if proofs or request.certificate is not None or b"client_assertion" in request.body:
        return Sender(request.method, request.path, proofs, request.certificate)
    return NOBODY
