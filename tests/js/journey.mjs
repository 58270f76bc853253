// openid-client, told the issuer and its own credentials, walks the whole of a grant. It prints
// the authorization URL, reads from standard input where the browser landed, and prints what it got.
import { createInterface } from 'node:readline/promises'
import * as client from 'openid-client'

const [issuer, clientId, clientSecret, redirectUri] = process.argv.slice(2)

const config = await client.discovery(new URL(issuer), clientId, clientSecret, undefined, {
  execute: [client.allowInsecureRequests], // the issuer is on loopback
})

const verifier = client.randomPKCECodeVerifier()
const state = client.randomState()
const nonce = client.randomNonce()
const url = client.buildAuthorizationUrl(config, {
  redirect_uri: redirectUri,
  scope: 'openid email offline_access',
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
  state,
  nonce,
})
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
const subject = tokens.claims().sub
const userinfo = await client.fetchUserInfo(config, tokens.access_token, subject)
const renewed = await client.refreshTokenGrant(config, tokens.refresh_token)
const alive = await client.tokenIntrospection(config, renewed.access_token)
await client.tokenRevocation(config, renewed.refresh_token)
const dead = await client.tokenIntrospection(config, renewed.access_token)
const refused = await client
  .refreshTokenGrant(config, renewed.refresh_token)
  .then(() => null, (error) => error.error)

console.log(
  JSON.stringify({
    subject,
    email: userinfo.email,
    expires_in: tokens.expires_in,
    rotated: renewed.refresh_token !== tokens.refresh_token,
    alive: alive.active,
    dead: dead.active,
    refused,
  }),
)
