#!/usr/bin/env bash
# Calico's Platform API by curl, from an empty deployment: link an exchange by signing in there and
# another by keys, read what they hold and what happened, in both versions, and unlink.
# Needs `safeconduct simulate exchangeExample kraken` at $SIM, `safeconduct serve --simulators $SIM`
# at $BASE, and the same data directory. The tests run this script as it stands.
set -euo pipefail
BASE=${BASE:-http://127.0.0.1:8400}
SIM=${SIM:-http://127.0.0.1:8401}
field() { python3 -c "import json, sys; print(json.load(open('$1'))$2)"; }
ask() { curl -sS --fail-with-body -w '\n' "$@"; }
say() { printf '\n# %s\n' "$*"; }
# What the user does in a browser: open the provider's page, allow, and be sent back.
approve() { python3 "$(dirname "$0")/approve.py" "$1"; }
# Reading takes a moment: ask until there is something
wait_for() {
  for _ in $(seq 60); do
    ask -H "$token" "$1" > answer.json
    grep -q "$2" answer.json && return
    sleep 0.5
  done
  return 1
}

say "Our registration at the exchange, a user, an app, and what their consent would give it"
safeconduct providers configure exchangeExample --client-id safeconduct-demo \
  --client-secret safeconduct-demo-secret --json
safeconduct users create --email ada@example.com --json > user.json
safeconduct clients create --name Fernhill --profile calico --redirect-uri https://app.example/cb \
  --scope "openid connections:read connections:write assets:read transactions:read" --json > app.json
safeconduct tokens issue --client "$(field app.json '["client_id"]')" --user ada@example.com \
  --json > token.json
token="Authorization: Bearer $(field token.json '["access_token"]')"

say "Sign in at the exchange (POST /accounts/v2/providers, a browser, the callback)"
ask -H "$token" -H 'content-type: application/json' "$BASE/accounts/v2/providers" \
  -d '{"provider_id": "exchangeExample", "connection": {"type": "oauth2"}}' > begun.json
back=$(approve "$(field begun.json '["data"]["redirect_url"]')")
ask -X POST -H "$token" "$BASE/accounts/v2/oauth/callback/exchangeExample?$back"

say "Another by keys that may only read: tried there before they are kept"
ask "$SIM/_sim/keys?provider=kraken" > keys.json
python3 - > body.json <<'PY'
import json
connection = {"type": "api_key", **json.load(open("keys.json"))}
print(json.dumps({"provider_id": "kraken", "display_label": "Savings", "connection": connection}))
PY
ask -H "$token" -H 'content-type: application/json' "$BASE/accounts/v2/providers" -d @body.json
ask -H "$token" "$BASE/accounts/v2/providers"

say "What they hold, and what happened there, page by page"
wait_for "$BASE/accounts/v2/assets?provider_ids=kraken&limit=2" '"asset_symbol"'
cat answer.json
wait_for "$BASE/accounts/v2/transactions?limit=2&types=buy" '"categorization"'
cat answer.json
next=$(field answer.json '["data"]["page"]["next_cursor"]')
ask -H "$token" "$BASE/accounts/v2/transactions?limit=2&types=buy&cursor=$next"

say "Read again; once more at once is too soon"
ask -X POST -H "$token" "$BASE/accounts/v2/assets/refresh"
curl -sS -o /dev/null -w '%{http_code}\n' -X POST -H "$token" "$BASE/accounts/v2/assets/refresh"

say "The same through version 1, in its flat bodies"
ask -H "$token" "$BASE/platform/v1/assets?limit=1"
ask -H "$token" "$BASE/platform/v1/provider"

say "Unlink: what was kept is destroyed, and given back where it came from"
ask -X DELETE -H "$token" -H 'content-type: application/json' "$BASE/accounts/v2/providers" \
  -d '{"provider_id": "exchangeExample"}'
ask -X DELETE -H "$token" -H 'content-type: application/json' "$BASE/platform/v1/provider" \
  -d '{"crypto_source": "kraken"}'
