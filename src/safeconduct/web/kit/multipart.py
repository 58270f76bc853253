"""RFC 7578: a form of ours in which a file may be chosen. Every part is a short text."""

from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP

from safeconduct.core.form import Form

MULTIPART = "multipart/form-data"
MAX_PARTS = 40


def read_multipart(content_type: str, body: bytes) -> Form:
    """The fields, files among them by what they hold; ValueError for what is no such form."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1")
    message: Message = BytesParser(policy=HTTP).parsebytes(head + body)
    parts = message.get_payload()
    if not isinstance(parts, list) or len(parts) > MAX_PARTS:
        raise ValueError("not a multipart form")
    form = Form()
    for part in parts:
        if not isinstance(part, Message):
            raise ValueError("a part without a head")
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if not isinstance(name, str) or not isinstance(content, bytes):
            raise ValueError("a part without a name")
        value = content.decode("utf-8-sig")
        if "\0" in value or "\0" in name:
            raise ValueError("a part holds a NUL")
        if name in form or name in form.blank:
            form.repeated |= {name}
        elif value:
            form[name] = value
        else:
            form.blank |= {name}
    return form
