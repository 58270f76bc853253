// AppAuth-JS, as a native app uses it: a public client that knows the issuer and its own id.
import { register } from 'node:module'
import { landing, tell } from './line.mjs'

register('./bundler.mjs', import.meta.url)
const built = '@openid/appauth/built/src'
const { AuthorizationRequest } = await import(`${built}/authorization_request.js`)
const { AuthorizationRequestHandler } = await import(`${built}/authorization_request_handler.js`)
const { AuthorizationServiceConfiguration } = await import(
  `${built}/authorization_service_configuration.js`
)
const { BaseTokenRequestHandler } = await import(`${built}/token_request_handler.js`)
const { BasicQueryStringUtils } = await import(`${built}/query_string_utils.js`)
const { NodeCrypto } = await import(`${built}/node_support/crypto_utils.js`)
const { NodeRequestor } = await import(`${built}/node_support/node_requestor.js`)
const { TokenRequest } = await import(`${built}/token_request.js`)

const [issuer, clientId, , redirectUri] = process.argv.slice(2)
const requestor = new NodeRequestor()
const crypto = new NodeCrypto()
const configuration = await AuthorizationServiceConfiguration.fetchFromIssuer(issuer, requestor)

const request = new AuthorizationRequest(
  {
    client_id: clientId,
    redirect_uri: redirectUri,
    scope: 'openid offline_access',
    response_type: AuthorizationRequest.RESPONSE_TYPE_CODE,
  },
  crypto,
)
await request.setupCodeVerifier()
const handler = new (class extends AuthorizationRequestHandler {})(
  new BasicQueryStringUtils(),
  crypto,
)
tell({ url: handler.buildRequestUrl(configuration, request) })

const landed = await landing()
if (landed.searchParams.get('state') !== request.state) throw new Error('another state')
const tokens = new BaseTokenRequestHandler(requestor)
const about = { client_id: clientId, redirect_uri: redirectUri }
const first = await tokens.performTokenRequest(
  configuration,
  new TokenRequest({
    ...about,
    grant_type: 'authorization_code',
    code: landed.searchParams.get('code'),
    extras: { code_verifier: request.internal.code_verifier },
  }),
)
const second = await tokens.performTokenRequest(
  configuration,
  new TokenRequest({ ...about, grant_type: 'refresh_token', refresh_token: first.refreshToken }),
)
tell({
  expires_in: Number(first.expiresIn),
  identified: Boolean(first.idToken),
  rotated: second.refreshToken !== first.refreshToken,
})
