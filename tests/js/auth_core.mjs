// @auth/core, told the issuer and its own credentials: from its sign-in page to a session.
import { Auth } from '@auth/core'
import { landing, tell } from './line.mjs'

const [issuer, clientId, clientSecret, redirectUri] = process.argv.slice(2)
const origin = new URL(redirectUri).origin

const config = {
  basePath: '/auth',
  secret: 'a secret of the app, long enough to be one',
  trustHost: true,
  providers: [
    {
      id: 'safeconduct',
      name: 'Safeconduct',
      type: 'oidc',
      issuer,
      clientId,
      clientSecret,
      checks: ['pkce', 'state', 'nonce'],
      profile: ({ sub }) => ({ id: sub }),
    },
  ],
  // Who somebody is, their ID token says; what they are called, userinfo
  callbacks: {
    jwt: ({ token, account }) => (account ? { ...token, sub: account.providerAccountId } : token),
    session: ({ session, token }) => ({ ...session, sub: token.sub }),
  },
}

// What a browser does between the app's own pages
const jar = new Map()
async function go(path, body) {
  const headers = { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') }
  if (body) headers['content-type'] = 'application/x-www-form-urlencoded'
  const url = new URL(path, origin)
  const request = new Request(url, { method: body ? 'POST' : 'GET', headers, body })
  const response = await Auth(request, config)
  for (const cookie of response.headers.getSetCookie()) {
    const [name, ...value] = cookie.split(';')[0].split('=')
    jar.set(name, value.join('='))
  }
  return response
}

const { csrfToken } = await (await go('/auth/csrf')).json()
const leaving = await go('/auth/signin/safeconduct', new URLSearchParams({ csrfToken }))
tell({ url: leaving.headers.get('location') })
const landed = await landing()
const arrived = await go(landed.pathname + landed.search)
const session = await (await go('/auth/session')).json()
tell({ onward: arrived.headers.get('location'), sub: session?.sub ?? null })
