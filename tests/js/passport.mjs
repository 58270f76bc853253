// passport-oauth2, which knows no discovery: it is told the endpoints that the metadata names.
import OAuth2Strategy from 'passport-oauth2'
import { discover, landing, tell } from './line.mjs'

const [issuer, clientID, clientSecret, callbackURL] = process.argv.slice(2)
const metadata = await discover(issuer)

const strategy = new OAuth2Strategy(
  {
    authorizationURL: metadata.authorization_endpoint,
    tokenURL: metadata.token_endpoint,
    clientID,
    clientSecret,
    callbackURL,
    scope: ['openid', 'email', 'offline_access'],
    state: true,
    pkce: true,
  },
  (accessToken, refreshToken, params, profile, done) =>
    done(null, { accessToken, refreshToken, params }),
)

// What Passport and Express do around a strategy
const session = {}
function run(query) {
  return new Promise((resolve, reject) => {
    const one = Object.create(strategy)
    one.redirect = (url) => resolve({ url })
    one.success = (user) => resolve({ user })
    one.fail = (challenge) => reject(new Error(JSON.stringify(challenge)))
    one.error = reject
    one.authenticate({ query, session, headers: {}, app: {} }, {})
  })
}

tell(await run({}))
const landed = await landing()
const { user } = await run(Object.fromEntries(landed.searchParams))
const answer = await fetch(metadata.userinfo_endpoint, {
  headers: { authorization: `Bearer ${user.accessToken}` },
})
const about = await answer.json()
tell({
  email: about.email,
  refreshes: Boolean(user.refreshToken),
  expires_in: user.params.expires_in,
})
