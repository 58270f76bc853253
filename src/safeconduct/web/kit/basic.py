"""RFC 7617 §2: user name and password of a request, from its one Authorization header."""

from base64 import b64decode

from starlette.requests import Request

MAX_LENGTH = 2_048


def basic_of(request: Request) -> tuple[str, str] | None:
    """None for no header, another scheme, more than one, or what cannot be read."""
    values = [value for name, value in request.headers.raw if name == b"authorization"]
    if len(values) != 1 or len(values[0]) > MAX_LENGTH:
        return None
    scheme, _, credentials = values[0].partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        text = b64decode(credentials.strip(), validate=True).decode()
    except ValueError:
        return None
    name, colon, password = text.partition(":")
    return (name, password) if colon and name and password else None
