"""A broker's back office, as a broker would write it: `requests`, and nothing of Safeconduct's.

    BASE=… BROKER_KEY=… BROKER_SECRET=… python broker.py CLIENT_ID CLIENT_SECRET ACCOUNT_ID

An app has sent a user to the broker's own consent page. The broker shows who is asking, the user
says yes, and the app gets a code; another user gives the app a token at once, and takes it back.
"""

import os
import sys

import requests


class Broker:
    """The four operations of the Broker API."""

    def __init__(self, base: str, key: str, secret: str) -> None:
        self.base = base.rstrip("/") + "/v1/oauth"
        self.http = requests.Session()
        self.http.auth = (key, secret)

    def client(self, client_id: str, **asked: str) -> dict:
        return self._json(self.http.get(f"{self.base}/clients/{client_id}", params=asked))

    def authorize(self, **consent: str) -> dict:
        return self._json(self.http.post(f"{self.base}/authorize", json=consent))

    def token(self, **consent: str) -> dict:
        return self._json(self.http.post(f"{self.base}/token", json=consent))

    def delete(self, token: str) -> None:
        self.http.delete(f"{self.base}/token/{token}").raise_for_status()

    def _json(self, answer: requests.Response) -> dict:
        if answer.status_code >= 400:
            said = answer.json()
            raise SystemExit(f"{answer.status_code}: {said['message']} ({said['code']})")
        return answer.json()


def main(client_id: str, client_secret: str, account_id: str) -> None:
    base = os.environ["BASE"]
    broker = Broker(base, os.environ["BROKER_KEY"], os.environ["BROKER_SECRET"])

    app = broker.client(client_id, response_type="code", scope="general")
    print(f"{app['name']} ({app['status']}) asks; it returns to {app['redirect_uri'][0]}")

    consent = {
        "client_id": client_id,
        "client_secret": client_secret,
        "redirect_uri": app["redirect_uri"][0],
        "scope": "general",
        "account_id": account_id,
    }
    code = broker.authorize(**consent)
    redeemed = requests.post(
        f"{base}/oauth/token",
        data={
            "grant_type": "authorization_code",
            "code": code["code"],
            "client_id": client_id,
            "client_secret": client_secret,
            "redirect_uri": code["redirect_uri"],
        },
        timeout=10,
    )
    redeemed.raise_for_status()
    print(f"the app holds a {redeemed.json()['token_type']} token for {redeemed.json()['scope']}")

    given = broker.token(**consent)
    print(f"and was given a {given['token_type']} token for {given['scope']}")
    broker.delete(given["access_token"])
    again = broker.http.delete(f"{broker.base}/token/{given['access_token']}")
    print(f"which is gone: deleting it once more is {again.status_code}")


if __name__ == "__main__":
    main(*sys.argv[1:])
