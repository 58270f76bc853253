"""Reads our pages as a browser without scripts does: forms, buttons, links, ids and text."""

from dataclasses import dataclass, field, replace
from html.parser import HTMLParser

VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta"}


@dataclass
class Form:
    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[dict[str, str]] = field(default_factory=list)


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    text: str = ""


class Markup(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.forms: list[Form] = []
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self._form: Form | None = None
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        element = Element(tag, attributes)
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)
        if tag == "form":
            self._form = Form(attributes.get("action", ""), attributes.get("method", "get"))
            self.forms.append(self._form)
        elif self._form is not None and tag == "input" and "name" in attributes:
            self._form.fields[attributes["name"]] = attributes.get("value", "")
        elif self._form is not None and tag == "button":
            self._form.buttons.append(attributes)

    def handle_endtag(self, tag: str) -> None:
        while self._open:
            if self._open.pop().tag == tag:
                break
        if tag == "form":
            self._form = None

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def by_id(self, id: str) -> Element | None:
        return next((e for e in self.elements if e.attributes.get("id") == id), None)

    def all(self, tag: str) -> list[Element]:
        return [element for element in self.elements if element.tag == tag]

    def form_with(self, button_id: str) -> tuple[Form, dict[str, str]]:
        """The form that holds a button, and what pressing it adds."""
        for form in self.forms:
            for button in form.buttons:
                if button.get("id") == button_id:
                    name = button.get("name")
                    form = replace(form, action=button.get("formaction", form.action))
                    return form, {name: button.get("value", "")} if name else {}
        raise AssertionError(f"there is no button {button_id!r} on this page")

    @property
    def error(self) -> str | None:
        """The code of an error page."""
        found = self.by_id("error")
        return found.attributes["data-code"] if found else None
