#!/usr/bin/env bash
# Alpaca's Broker API by curl, from an empty deployment: look an app up, let it into an account by
# token and by code, take the token back. Needs `safeconduct serve` at $BASE and the same data
# directory. The tests run this script as it stands.
set -euo pipefail
BASE=${BASE:-http://127.0.0.1:8400}
field() { python3 -c "import json, sys; print(json.load(open('$1'))['$2'])"; }
ask() { curl -sS --fail-with-body -w '\n' "$@"; }
say() { printf '\n# %s\n' "$*"; }

say "A user with a paper account, an app, and a broker's key"
safeconduct users create --email ada@example.com --json > user.json
safeconduct accounts create --user ada@example.com --env paper --json > account.json
safeconduct clients create --name TradingApp --profile alpaca --redirect-uri http://localhost \
  --description "Sample description" --json > app.json
safeconduct broker-keys create --json > broker.json
broker="$(field broker.json key):$(field broker.json secret)"
app="$(field app.json client_id)"

say "Which app is asking? (GET /v1/oauth/clients/{client_id})"
ask -u "$broker" "$BASE/v1/oauth/clients/$app?response_type=code&scope=general" | tee client.json

asked() {
  printf '{"client_id": "%s", "client_secret": "%s", "redirect_uri": "http://localhost",
    "scope": "%s", "account_id": "%s"}' \
    "$app" "$(field app.json client_secret)" "$1" "$(field account.json id)"
}

say "The user said yes on the broker's own page: a token for the app (POST /v1/oauth/token)"
asked "general" | ask -u "$broker" -H 'content-type: application/json' -d @- \
  "$BASE/v1/oauth/token" > token.json
field token.json token_type

say "… or a code, which the app redeems itself (POST /v1/oauth/authorize, POST /oauth/token)"
asked "general trading" | ask -u "$broker" -H 'content-type: application/json' -d @- \
  "$BASE/v1/oauth/authorize" > code.json
ask "$BASE/oauth/token" -d grant_type=authorization_code -d code="$(field code.json code)" \
  -d client_id="$app" -d client_secret="$(field app.json client_secret)" \
  -d redirect_uri=http://localhost > redeemed.json
field redeemed.json scope

say "Whose account is it? (the API that serves the accounts asks this)"
ask -u "$app:$(field app.json client_secret)" -d token="$(field redeemed.json access_token)" \
  "$BASE/oauth2/introspect" > told.json
field told.json paper_account

say "A redirect URI that is not registered is 422, an app that nobody knows is 401"
asked "general" | sed 's,http://localhost,http://localhost/x,' \
  | curl -s -u "$broker" -H 'content-type: application/json' -d @- "$BASE/v1/oauth/token"
echo
curl -s -o /dev/null -w '%{http_code}\n' -u "$broker" \
  "$BASE/v1/oauth/clients/00000000000000000000000000000000"

say "The user takes it back (DELETE /v1/oauth/token/{token_id})"
ask -X DELETE -u "$broker" -o /dev/null -w '%{http_code}\n' \
  "$BASE/v1/oauth/token/$(field redeemed.json access_token)"
ask -u "$app:$(field app.json client_secret)" -d token="$(field redeemed.json access_token)" \
  "$BASE/oauth2/introspect"
