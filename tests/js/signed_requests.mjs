// openid-client pushes a request that it has signed, and takes a signed response (RFC 9126, RFC 9101,
// JARM). It prints the authorization URL, reads where the browser landed, and prints what it got.
import { createInterface } from 'node:readline/promises'
import * as client from 'openid-client'

const [issuer, clientId, clientSecret, redirectUri, jwk, ways] = process.argv.slice(2)
const asked = new Set(ways.split(','))
const key = await crypto.subtle.importKey(
  'jwk',
  JSON.parse(jwk),
  { name: 'ECDSA', namedCurve: 'P-256' },
  false,
  ['sign'],
)

const config = await client.discovery(new URL(issuer), clientId, clientSecret, undefined, {
  execute: [client.allowInsecureRequests], // the issuer is on loopback
})
if (asked.has('jarm')) client.useJwtResponseMode(config)

const verifier = client.randomPKCECodeVerifier()
const state = client.randomState()
const nonce = client.randomNonce()
let parameters = {
  redirect_uri: redirectUri,
  scope: 'openid email',
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
  state,
  nonce,
}
let url
if (asked.has('jar')) {
  url = await client.buildAuthorizationUrlWithJAR(config, parameters, { key, kid: 'app-1' })
  parameters = url.searchParams
}
if (asked.has('par')) url = await client.buildAuthorizationUrlWithPAR(config, parameters)
url ??= client.buildAuthorizationUrl(config, parameters)
console.log(JSON.stringify({ url: url.href }))

const input = createInterface({ input: process.stdin })
const landed = new URL(await input.question(''))
input.close()

const tokens = await client.authorizationCodeGrant(config, landed, {
  pkceCodeVerifier: verifier,
  expectedState: state,
  expectedNonce: nonce,
  idTokenExpected: true,
})
console.log(
  JSON.stringify({
    asked: [...url.searchParams.keys()],
    answered: [...landed.searchParams.keys()],
    acr: tokens.claims().acr,
  }),
)
