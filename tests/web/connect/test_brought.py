"""Linking by a password or a key file: the forms, made from the entry, that need no script."""

import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from tests.conftest import SettableClock
from tests.web.connect.stage import Stage, staged
from tests.web.connect.test_entry import at_form, keys
from tests.web.harness import Person

from safeconduct.adapters.store import SqliteStore
from safeconduct.services.connections.enter import GUESSES


@pytest.fixture
async def stage(sqlite_store: SqliteStore, clock: SettableClock) -> AsyncIterator[Stage]:
    async with staged(sqlite_store, clock) as it:
        await it.sim.set_clock(clock.now())
        yield it


@pytest.fixture
async def ann(stage: Stage) -> Person:
    return await stage.ann()


@pytest.mark.attack("L21")
async def test_a_password_is_tried_and_only_what_is_no_secret_stays(
    stage: Stage, ann: Person
) -> None:
    await at_form(ann, "jira")
    assert ann.page is not None
    assert ann.page.text.count('type="password"') == 1
    assert "<script" not in ann.page.text
    good = await keys(stage, "jira")
    refused = await ann.press("keys-submit", **{**good, "api_token": "wrong-token"})
    assert "did not accept this" in refused.text
    for name in ("site", "email"):
        assert f'value="{good[name]}"' in refused.text, "nobody types twice what is no secret"
    assert "wrong-token" not in refused.text
    slip = await ann.press("keys-submit", **{**good, "site": "acme.atlassian.net/"})
    assert re.search(r'name="site"[^>]*aria-invalid="true"', slip.text)
    assert good["api_token"] not in slip.text
    assert await stage.connections() == []
    done = await ann.press("keys-submit", **good)
    assert 'id="connect-linked"' in done.text
    (row,) = await stage.connections()
    assert (row.provider_id, row.auth_mode) == ("jira", "basic")


async def test_where_tokens_end_the_form_asks_when(stage: Stage, ann: Person) -> None:
    await at_form(ann, "github-app")
    assert ann.page is not None
    assert 'name="expires_at"' not in ann.page.text
    await at_form(ann, "jira")
    assert 'type="date"' in ann.page.text
    good = await keys(stage, "jira")
    for wrong in ("2020-01-01", "tomorrow", "2027-1-1", "9999-12-31"):
        page = await ann.press("keys-submit", **good, expires_at=wrong)
        assert re.search(r'name="expires_at"[^>]*aria-invalid="true"', page.text), wrong
    assert await stage.connections() == []
    now = datetime.fromtimestamp(stage.site.clock.now() / 1000, UTC)
    day = (now + timedelta(days=90)).date()
    done = await ann.press("keys-submit", **good, expires_at=day.isoformat())
    assert 'id="connect-linked"' in done.text
    (held,) = await stage.credentials()
    assert held.ends_at == datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000


@pytest.mark.attack("L21")
async def test_guessing_ends_in_a_sentence_on_the_form(stage: Stage, ann: Person) -> None:
    await at_form(ann, "jira")
    good = await keys(stage, "jira")
    for _ in range(GUESSES.tries):
        page = await ann.press("keys-submit", **{**good, "api_token": "wrong-token"})
        assert page.status_code == 200
    page = await ann.press("keys-submit", **good)
    assert page.status_code == 429
    assert "The provider refused too often. Try again in 15 minutes." in page.text
    assert 0 < int(page.headers["retry-after"]) <= GUESSES.window // 1000 + 1
    assert f'value="{good["email"]}"' in page.text
    assert good["api_token"] not in page.text
    assert await stage.connections() == []


async def test_a_key_file_is_chosen_or_pasted(stage: Stage, ann: Person) -> None:
    typed = await keys(stage, "google-service-account")
    await at_form(ann, "google-service-account")
    form, _ = ann.markup.form_with("keys-submit")
    fields = {name: value for name, value in form.fields.items() if name != "key_file.file"}
    for text in (b"", b"not json", typed["key_file"].encode()[:-9], b"\xff\xfe"):
        files = {"key_file.file": ("key.json", text, "application/json")}
        page = await ann.http.post(form.action, data=fields, files=files)
        assert page.status_code in (200, 400), text
        assert 'id="connect-linked"' not in page.text
        assert "private_key" not in page.text
    # A file as Windows saves it, with a byte order mark
    file = b"\xef\xbb\xbf" + typed["key_file"].encode()
    files = {"key_file.file": ("key.json", file, "application/json")}
    done = await ann.http.post(form.action, data=fields, files=files)
    assert 'id="connect-linked"' in done.text
    (row,) = await stage.connections()
    assert row.auth_mode == "service_account"
    assert row.account_name == json.loads(typed["key_file"])["client_email"]
    await at_form(ann, "google-service-account")
    again = await ann.press("keys-submit", **typed)
    assert 'id="connect-linked"' in again.text
    assert len(await stage.connections()) == 1


async def test_a_key_in_pem_keeps_its_lines(stage: Stage, ann: Person) -> None:
    await at_form(ann, "github-app")
    typed = await keys(stage, "github-app")
    windows = {**typed, "private_key": typed["private_key"].replace("\n", "\r\n") + "\r\n"}
    assert 'id="connect-linked"' in (await ann.press("keys-submit", **windows)).text
    (row,) = await stage.connections()
    assert row.account_key == typed["installation_id"]
