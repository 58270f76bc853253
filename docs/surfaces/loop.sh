#!/usr/bin/env bash
# Loop's connections by curl, from an empty deployment: link a ring, read it, hear from it, unlink.
# Needs `safeconduct simulate healthExample` at $SIM, `safeconduct serve --simulators $SIM` at $BASE,
# and the same data directory. The tests run this script as it stands.
set -euo pipefail
BASE=${BASE:-http://127.0.0.1:8400}
SIM=${SIM:-http://127.0.0.1:8401}
BACK=http://127.0.0.1:8402/cb
SIGNING=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw
field() { python3 -c "import json, sys; print(json.load(open('$1'))$2)"; }
ask() { curl -sS --fail-with-body -w '\n' "$@"; }
say() { printf '\n# %s\n' "$*"; }
# What the user does in a browser: open the provider's page, allow, and be sent back.
approve() { python3 "$(dirname "$0")/approve.py" "$1"; }

say "Our registration at the provider, a user, an app, and what their consent would give it"
safeconduct providers configure healthExample --client-id safeconduct-demo \
  --client-secret safeconduct-demo-secret --webhook-secret "$SIGNING" --json
safeconduct users create --email ada@example.com --json > user.json
safeconduct clients create --name "Night Owl" --profile loop --redirect-uri "$BACK" --json > app.json
safeconduct tokens issue --client "$(field app.json '["client_id"]')" --user ada@example.com \
  --json > token.json
token="Authorization: Bearer $(field token.json '["access_token"]')"
user="$(field user.json '["id"]')"

say "What can be linked? (GET /v1/providers)"
ask -H "$token" "$BASE/v1/providers"

say "Link it (POST /v1/connections/authorize, a browser, POST /v1/connections/callback)"
ask -H "$token" -H 'content-type: application/json' "$BASE/v1/connections/authorize" \
  -d '{"provider": "healthExample", "redirectUri": "'"$BACK"'"}' > begun.json
back="$(approve "$(field begun.json '["url"]')")"
code="$(sed 's/.*\bcode=\([^&]*\).*/\1/' <<< "$back")"
ask -H "$token" -H 'content-type: application/json' "$BASE/v1/connections/callback" \
  -d '{"provider": "healthExample", "redirectUri": "'"$BACK"'", "code": "'"$code"'",
       "state": "'"$(field begun.json '["state"]')"'"}' > linked.json
id="$(field linked.json '["connection"]["id"]')"

say "Read it now (POST /v1/sync/{connectionId})"
ask -X POST -H "$token" "$BASE/v1/sync/$id"

say "What came of it (the platform API has the records)"
ask -H "$token" "$BASE/api/v1/health-records?kinds=sleep&limit=1"

say "The ring speaks up by itself (POST /v1/stream/webhooks, signed)"
ask -H 'content-type: application/json' "$SIM/_sim/webhooks" -d '{"provider": "healthExample",
  "url": "'"$BASE/v1/stream/webhooks"'", "secret": "'"$SIGNING"'", "users": {"mira": "'"$user"'"}}'
ask -H 'content-type: application/json' "$SIM/_sim/vitals" \
  -d '{"provider": "healthExample", "user": "mira", "kind": "sleep"}' > told.json
field told.json '["sent"][0]["status"]'

say "List, and unlink (GET /v1/connections, DELETE /v1/connections/{connectionId})"
ask -H "$token" "$BASE/v1/connections?userId=$user"
ask -X DELETE -H "$token" "$BASE/v1/connections/$id?userId=$user"
ask -H "$token" "$BASE/v1/connections?userId=$user"
