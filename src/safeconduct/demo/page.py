"""A page as a browser without a screen sees it: forms, links and ids, read out of the HTML."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}
)


class Lost(Exception):
    """A page did not hold what was looked for; the sentence says what and where."""


@dataclass(slots=True)
class Element:
    """An element that has an id or can be used, with the text inside it."""

    tag: str
    attributes: dict[str, str]
    form: int | None  # index of the form around it
    text: str = ""

    @property
    def id(self) -> str:
        return self.attributes.get("id", "")


@dataclass(slots=True)
class Form:
    attributes: dict[str, str]
    fields: list[tuple[str, str]] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self.forms: list[Form] = []
        self.text: list[str] = []
        self._open: list[Element] = []
        self._form: int | None = None
        self._select: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(attributes))
            self._form = len(self.forms) - 1
        element = Element(tag, attributes, self._form)
        self.elements.append(element)
        if tag not in _VOID:
            self._open.append(element)
        self._read_field(tag, attributes)

    def _read_field(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "select":
            self._select = attributes.get("name")
        name, kind = attributes.get("name", ""), attributes.get("type", "text")
        if tag == "option" and self._select and "selected" in attributes:
            name, tag, kind = self._select, "input", "text"
        checked = kind not in ("checkbox", "radio") or "checked" in attributes
        usable = kind not in ("submit", "image", "button", "file", "reset")
        if tag in ("input", "textarea") and name and usable and checked and self._form is not None:
            value = attributes.get("value", "on" if kind in ("checkbox", "radio") else "")
            self.forms[self._form].fields.append((name, value))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        while self._open and any(element.tag == tag for element in self._open):
            if self._open.pop().tag == tag:
                break

    def handle_data(self, data: str) -> None:
        if any(element.tag in ("script", "style") for element in self._open):
            return
        self.text.append(data)
        for element in self._open:
            element.text += data


class Page:
    """What a person would see."""

    def __init__(self, url: str, status: int, html: str) -> None:
        self.url, self.status, self.html = url, status, html
        reader = _Reader()
        reader.feed(html)
        self.elements, self.forms = reader.elements, reader.forms
        self.text = " ".join("".join(reader.text).split())

    def find(self, id: str) -> Element | None:
        return next((element for element in self.elements if element.id == id), None)

    def need(self, id: str) -> Element:
        found = self.find(id)
        if found is None:
            ids = sorted({element.id for element in self.elements if element.id})
            raise Lost(f'{self.url} ({self.status}) has no id="{id}"; it has {", ".join(ids)}')
        return found

    def links(self) -> Iterator[Element]:
        return (e for e in self.elements if e.tag == "a" and e.attributes.get("href"))

    @property
    def error(self) -> str | None:
        """`data-code` of the error page, if this is one."""
        found = self.find("error")
        return found.attributes.get("data-code") if found else None
