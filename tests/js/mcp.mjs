// The MCP TypeScript SDK, told the address of an API and nothing else: it learns from the API where
// its tokens come from, registers itself there, and comes back with a token for that very API.
import { auth } from '@modelcontextprotocol/sdk/client/auth.js'
import { landing, tell } from './line.mjs'

const [serverUrl, redirectUrl] = process.argv.slice(2)
const kept = {}
let asked

const provider = {
  redirectUrl,
  clientMetadata: {
    client_name: 'Inspector',
    redirect_uris: [redirectUrl],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  },
  clientInformation: () => kept.client,
  saveClientInformation: (client) => void (kept.client = client),
  tokens: () => kept.tokens,
  saveTokens: (tokens) => void (kept.tokens = tokens),
  saveCodeVerifier: (verifier) => void (kept.verifier = verifier),
  codeVerifier: () => kept.verifier,
  redirectToAuthorization: (url) => void (asked = url),
}

const bare = await fetch(serverUrl)
const before = await auth(provider, { serverUrl })
tell({ url: asked.href, refused: bare.status, before })

const landed = await landing()
const authorizationCode = landed.searchParams.get('code')
const after = await auth(provider, { serverUrl, authorizationCode })
const first = kept.tokens
const let_in = await fetch(serverUrl, {
  headers: { authorization: `Bearer ${first.access_token}` },
})
const renewed = first.refresh_token ? await auth(provider, { serverUrl }) : null
tell({
  after,
  status: let_in.status,
  scope: first.scope,
  renewed,
  rotated: kept.tokens.access_token !== first.access_token,
})
