"""Attacks on pages that belong to no one page: redirects after a POST, markup sent on, logos."""

import re

import pytest
from tests.web.account.test_account import signed_in
from tests.web.harness import PASSWORD, TENANT, Front

from safeconduct.core.errors import ApiError

HOSTILE = '"><script>alert(1)</script><img src=x onerror="alert(2)">'


@pytest.mark.attack("A17")
async def test_no_redirect_repeats_a_post(site: Front) -> None:
    """RFC 9700 §4.12: 307 and 308 would send a password or a yes to the next place too."""
    client, person = await site.client(), site.person()
    await site.user()
    await person.authorize(client)
    await person.follow()
    told = [await person.press("login-submit", username="ann@example.org", password=PASSWORD)]
    await person.follow()
    told.append(await person.press("consent-allow"))
    assert told[-1].headers["location"].startswith("https://app.example/cb?")
    await person.get("/account")
    told.append(
        await person.press("password-submit", password=PASSWORD, new_password="y" * 3 + PASSWORD)
    )
    await person.get("/oauth2/logout")
    told.append(await person.press("logout-confirm"))
    await person.get("/signup")
    told.append(await person.press("signup-submit", identifier="ann@example.org"))
    await person.follow()
    told.append(await person.press("code-submit", code=site.outbox.code))
    posted = await person.http.post("/oauth2/authorize", data={"client_id": client.id})
    told.append(posted)
    assert [answer.status_code for answer in told if answer.is_redirect] == [303] * 6


@pytest.mark.attack("A17")
@pytest.mark.attack("A18")
@pytest.mark.parametrize("path", ["/login", "/oauth2/consent", "/oauth2/token", "/api/v1/users"])
async def test_a_slash_too_many_sends_nothing_on(site: Front, path: str) -> None:
    """At a tenant's address it would have gone to another tenant, password and all."""
    tenant = {"slug": "acme", "name": "Acme Ltd"}
    await site.platform.tenants.create(tenant, actor="operator")
    http = site.person().http
    for prefix in ("", "/t/acme"):
        for method in ("GET", "POST"):
            answer = await http.request(method, f"{prefix}{path}/")
            assert (answer.status_code, "location" in answer.headers) == (404, False)
            answer = await http.request(method, f"{prefix}{path}")
            assert answer.status_code not in (307, 308, 404), "the control"


@pytest.mark.attack("I9")
async def test_markup_in_what_form_post_sends_on(site: Front) -> None:
    client, person = await site.client(), await signed_in(site)
    await person.authorize(client, response_mode="form_post", state=HOSTILE)
    await person.follow()
    page = await person.press("consent-allow")
    assert page.status_code == 200
    form, _ = person.markup.form_with("form-post-submit")
    assert form.fields["state"] == HOSTILE  # back as it came
    assert form.action == client.redirect_uris[0]
    assert "<img" not in page.text
    scripts = re.findall(r"<script[^>]*>", page.text)
    assert len(scripts) == 1
    assert 'src="/static/' in scripts[0]
    policy = page.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy


@pytest.mark.attack("I10")
async def test_logos_are_neither_taken_nor_shown(site: Front) -> None:
    """A logo would be a document of somebody else's; there is no place for one."""
    logo = "https://evil.test/logo.svg"
    client = await site.client(logo_uri=logo)
    person = await signed_in(site)
    await person.authorize(client)
    page = await person.follow()
    assert page.url.path == "/oauth2/consent"
    assert "evil.test" not in page.text
    assert "img-src 'self' data:" in page.headers["content-security-policy"]
    update = site.platform.tenants.update
    for branding in ({"logo": logo}, {"logo": "<svg onload=alert(1)>"}, {"css": "body{}"}):
        with pytest.raises(ApiError):
            await update(TENANT, {"branding": branding}, actor="operator")
    await update(TENANT, {"branding": {"accent": "#0b8043"}}, actor="operator")
    icon = re.search(r'href="(/static/seal\.svg[^"]*)"', page.text)
    assert icon is not None
    ours = await person.get(icon[1])
    assert ours.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in ours.headers["content-security-policy"]
