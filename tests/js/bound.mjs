// openid-client with keys of its own, told the issuer alone: tokens bound to them, by DPoP
// ("dpop", with private_key_jwt) or by its certificate ("mtls"). Prints where the browser must go,
// reads where it landed, and prints what it got.
import { readFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import { createInterface } from 'node:readline/promises'
import * as client from 'openid-client'

const [way, issuer, clientId, redirectUri, folder] = process.argv.slice(2)
const read = (name) => readFileSync(`${folder}/${name}`, 'utf8')

async function signing() {
  const jwk = JSON.parse(read('private.json'))
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
  const key = await crypto.subtle.importKey('jwk', jwk, algorithm, false, ['sign'])
  return client.PrivateKeyJwt({ key, kid: jwk.kid })
}

// Node's own agent, because fetch has no place for a certificate
const tls = way === 'mtls' && { cert: read('client.pem'), key: read('client.key'), ca: read('server.pem') }
function fetchByAgent(url, { method, headers, body }, shown = tls) {
  const { request } = new URL(url).protocol === 'https:' ? https : http
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, ...shown }, (answer) => {
      const parts = []
      answer.on('data', (part) => parts.push(part))
      answer.on('end', () => {
        const { statusCode: status, headers } = answer
        resolve(new Response(Buffer.concat(parts), { status, headers }))
      })
    })
    sent.on('error', reject)
    sent.end(body == null ? undefined : body.toString())
  })
}

const options = tls
  ? { [client.customFetch]: fetchByAgent }
  : { execute: [client.allowInsecureRequests] } // the issuer is on loopback
const metadata = tls ? { use_mtls_endpoint_aliases: true } : undefined
const method = tls ? client.TlsClientAuth() : await signing()
const config = await client.discovery(new URL(issuer), clientId, metadata, method, options)
const DPoP = tls
  ? undefined
  : client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'))

const verifier = client.randomPKCECodeVerifier()
const state = client.randomState()
const parameters = {
  redirect_uri: redirectUri,
  scope: 'openid email offline_access',
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
  state,
}
const url = await client.buildAuthorizationUrlWithPAR(config, parameters, { DPoP })
console.log(JSON.stringify({ url: url.href }))

const input = createInterface({ input: process.stdin })
const landed = new URL(await input.question(''))
input.close()

const checks = { pkceCodeVerifier: verifier, expectedState: state }
const tokens = await client.authorizationCodeGrant(config, landed, checks, undefined, { DPoP })
const userinfo = await client.fetchUserInfo(
  config,
  tokens.access_token,
  tokens.claims().sub,
  { DPoP },
)
const renewed = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP })
const shown = await client.tokenIntrospection(config, renewed.access_token)
// What a thief can do with it: no proof, no certificate
const stolen = await fetchByAgent(
  config.serverMetadata().userinfo_endpoint,
  { method: 'GET', headers: { authorization: `Bearer ${renewed.access_token}` } },
  tls && { ca: tls.ca },
)

console.log(
  JSON.stringify({
    email: userinfo.email,
    token_type: tokens.token_type,
    rotated: renewed.refresh_token !== tokens.refresh_token,
    cnf: Object.keys(shown.cnf ?? {}),
    stolen: stolen.status,
  }),
)
