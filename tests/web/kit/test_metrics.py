"""What Prometheus is told: figures, and nothing that names or multiplies."""

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.web.harness import Front, answer_of

from safeconduct.app import web_of
from safeconduct.app.work import runner_of
from safeconduct.web.kit.http import asgi
from safeconduct.web.kit.metrics import Metrics

CANARY = "canary-77c1"


async def scrape(metrics: Metrics) -> tuple[str, dict[tuple[str, ...], float]]:
    """The text, and the requests counted by route, method and status."""
    transport = httpx.ASGITransport(app=metrics.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        answer = await http.get("/metrics")
        assert (await http.get("/")).status_code == 404
        assert (await http.post("/metrics")).status_code == 404
    counted = {
        (one.labels["route"], one.labels["method"], one.labels["status"]): one.value
        for family in text_string_to_metric_families(answer.text)
        for one in family.samples
        if one.name == "safeconduct_http_requests_total"
    }
    return answer.text, counted


@pytest.mark.attack("M9")
@pytest.mark.attack("P12")
async def test_labels_are_few_and_say_nothing(site: Front) -> None:
    metrics = Metrics()
    web = web_of(site.platform, {}, metrics)
    hot = {path: asgi(handler) for path, handler in web.hot.items()}
    site.app = lambda scope, receive, send: hot.get(scope["path"], web.app)(scope, receive, send)
    client, person = await site.client(client_name=CANARY), site.person()
    await site.user(f"{CANARY}@example.org")
    await person.sign_in(f"{CANARY}@example.org")
    await person.authorize(client, state=CANARY)
    await person.follow()
    tokens = (await site.redeem(client, answer_of(await person.press("consent-allow")))).json()
    for number in range(30):
        await person.get(f"/nowhere/{CANARY}{number}", headers={"user-agent": f"{number}"})
        await person.http.request(f"X{number}", "/login")
        await person.http.get(f"/api/v1/connections/con_{number}")
    text, counted = await scrape(metrics)
    assert counted["/oauth2/token", "POST", "200"] == 1
    assert counted["/login", "POST", "303"] == 1
    assert counted["-", "GET", "404"] == 30
    assert counted["/login", "other", "405"] == 30
    assert counted["/api/v1/connections/{connection_id}", "GET", "401"] == 30
    assert len(counted) < 15
    for secret in (CANARY, client.id, tokens["access_token"], site.secrets[client.id]):
        assert secret not in text
    assert "process_resident_memory_bytes" in text
    assert (await person.get("/metrics")).status_code == 404  # on the public port


async def test_turns_of_jobs_are_counted(site: Front) -> None:
    metrics = Metrics()
    runner = runner_of(site.platform, metrics)
    await runner.ensure(site.platform.tenant_id, "expiry.sweep", "-")
    await runner.drain()
    text, _ = await scrape(metrics)
    assert 'safeconduct_job_turns_total{kind="expiry.sweep",outcome="again"} 1.0' in text
