"""What a user does in a browser: open a provider's page, allow, be sent back.

Prints the query with which the provider sends the browser back to us; with --onward that with which
our page sends it on, to the app.
"""

import re
import sys
from html import unescape
from http.client import HTTPConnection, HTTPResponse
from urllib.parse import urlencode, urljoin, urlsplit

HIDDEN = re.compile(r'type="hidden" name="([^"]*)" value="([^"]*)"')


def ask(url: str, form: dict[str, str] | None = None) -> tuple[HTTPResponse, str]:
    at = urlsplit(url)
    http = HTTPConnection(at.netloc, timeout=30)
    kind = {"content-type": "application/x-www-form-urlencoded"}
    body = urlencode(form) if form else None
    http.request("POST" if form else "GET", f"{at.path}?{at.query}", body, kind)
    answer = http.getresponse()
    return answer, answer.read().decode()


def main(url: str, onward: bool) -> None:
    _, page = ask(url)
    action = re.search(r'action="([^"]*)"', page)
    assert action, page
    form = {name: unescape(value) for name, value in HIDDEN.findall(page)}
    answer, _ = ask(urljoin(url, unescape(action[1])), form | {"decision": "allow"})
    landed = answer.headers["location"]
    if onward:
        _, page = ask(landed)
        found = re.search(r'href="([^"]*)" id="connect-continue"', page)
        assert found, page
        landed = unescape(found[1])
    print(urlsplit(landed).query)


main(sys.argv[1], onward="--onward" in sys.argv)
