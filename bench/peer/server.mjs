// oidc-provider as a peer to measure against: in memory, opaque access tokens (its default),
// every refresh token rotated. Prints one line of JSON when it is ready.
//
//   PEER='{"port":8500,"client_id":"…","client_secret":"…","families":256}' node server.mjs
import { createHmac } from 'node:crypto';

import Provider from 'oidc-provider';

import MapAdapter from './memory.mjs';

const settings = JSON.parse(process.env.PEER);
const issuer = `http://127.0.0.1:${settings.port}`;
const { client_id, client_secret } = settings;

const cookieKey = 'the benchmark has browsers of its own';

const provider = new Provider(issuer, {
  adapter: MapAdapter,
  clients: [
    {
      client_id,
      client_secret,
      token_endpoint_auth_method: 'client_secret_basic',
      grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
      response_types: ['code'],
      redirect_uris: ['https://app.example.com/callback'],
      scope: 'openid offline_access assets:read',
    },
  ],
  scopes: ['openid', 'offline_access', 'assets:read'],
  findAccount: (_ctx, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
  features: {
    clientCredentials: { enabled: true },
    dPoP: { enabled: true },
    introspection: { enabled: true },
    pushedAuthorizationRequests: { enabled: true },
    revocation: { enabled: true },
    devInteractions: { enabled: false },
  },
  interactions: { url: () => '/none' },
  cookies: { keys: [cookieKey] },
  rotateRefreshToken: true,
  ttl: {
    AccessToken: 900,
    ClientCredentials: 900,
    Grant: 30 * 86400,
    RefreshToken: 30 * 86400,
  },
});

// What a user's consent would have left behind: a grant and the first refresh token of a family.
async function family(number, client) {
  const accountId = `user-${number}`;
  const grant = new provider.Grant({ accountId, clientId: client_id });
  grant.addOIDCScope('offline_access assets:read');
  const grantId = await grant.save();
  const token = new provider.RefreshToken({
    accountId,
    client,
    grantId,
    gty: 'authorization_code',
    authTime: Math.floor(Date.now() / 1000),
    scope: 'offline_access assets:read',
    sessionUid: undefined,
    expiresWithSession: false,
    rotations: 0,
    iiat: Math.floor(Date.now() / 1000),
  });
  return [await token.save(), await browser(accountId, grantId)];
}

// The Cookie header of a browser in which this user has signed in, and has allowed the client.
async function browser(accountId, grantId) {
  const session = new provider.Session();
  session.loginAccount({ accountId });
  session.ensureClientContainer(client_id);
  session.grantIdFor(client_id, grantId);
  await session.save(14 * 86400);
  const cookie = `_session=${session.jti}`;
  const signature = createHmac('sha1', cookieKey).update(cookie).digest('base64url');
  return `${cookie}; _session.sig=${signature}`;
}

const client = await provider.Client.find(client_id);
const refresh_tokens = [];
const browsers = [];
for (let number = 0; number < settings.families; number += 1) {
  const [token, cookie] = await family(number, client);
  refresh_tokens.push(token);
  browsers.push(cookie);
}
const server = provider.listen(settings.port, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ ready: true, refresh_tokens, browsers })}\n`);
});
process.once('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
});
