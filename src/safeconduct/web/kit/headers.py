"""The headers of a request as a plain mapping."""

from starlette.requests import Request


def headers_of(request: Request) -> dict[str, str]:
    """By name in lower case. One that came twice is left out: nobody knows which one counts."""
    names = [name.decode("latin-1") for name, _ in request.headers.raw]
    return {name: request.headers[name] for name in names if names.count(name) == 1}
