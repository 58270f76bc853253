"""The form of a request to a hot endpoint: one type, no duplicates, nothing in the query."""

from safeconduct.core.errors import invalid_request
from safeconduct.core.form import Form, read_form
from safeconduct.web.kit.http import Request

_TYPE = b"application/x-www-form-urlencoded"


def only(request: Request, name: bytes) -> bytes | None:
    """A header that may come once: which of two to believe is a question not to be asked."""
    values = [value for key, value in request.headers if key == name]
    if len(values) > 1:
        raise invalid_request(f"the header {name.decode('ascii')} came more than once")
    return values[0] if values else None


def form_of(request: Request) -> Form:
    """RFC 6749 §3.2 and Appendix B; `invalid_request` for whatever is not exactly that."""
    if request.query:
        raise invalid_request("parameters belong in the body", rule="form.query", rfc="6749#2.3.1")
    if not _is_form(only(request, b"content-type")):
        raise invalid_request(
            "the body must be application/x-www-form-urlencoded", rule="form.type", rfc="6749#3.2"
        )
    try:
        form = read_form(request.body)
    except ValueError as error:
        raise invalid_request(
            "the body is not a valid form", rule="form.malformed", rfc="6749#B", detail=str(error)
        ) from None
    if form.repeated:
        raise invalid_request(
            "a parameter was given more than once", rule="form.repeated", rfc="6749#3.2"
        )
    return form


def _is_form(content_type: bytes | None) -> bool:
    if content_type == _TYPE:
        return True
    if content_type is None:
        return False
    media, _, rest = content_type.lower().partition(b";")
    if media.strip() != _TYPE:
        return False
    parameter = rest.strip()
    return parameter in (b"", b"charset=utf-8", b'charset="utf-8"')
