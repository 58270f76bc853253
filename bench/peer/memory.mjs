// A store for oidc-provider that costs as little as a store can: plain Maps, constant time for
// every operation, nothing ever evicted (its own keeps 1,000 entries, and walks all tokens of a
// grant at every refresh, which would be unfair to it here).
const models = new Map();
const byGrant = new Map();

export default class MapAdapter {
  constructor(name) {
    if (!models.has(name)) models.set(name, new Map());
    this.rows = models.get(name);
  }

  async upsert(id, payload) {
    this.rows.set(id, payload);
    if (payload.grantId && payload.grantId !== id) {
      let members = byGrant.get(payload.grantId);
      if (!members) byGrant.set(payload.grantId, (members = []));
      members.push([this.rows, id]);
    }
  }

  async find(id) {
    return this.rows.get(id);
  }

  async findByUid(uid) {
    for (const row of this.rows.values()) if (row.uid === uid) return row;
    return undefined;
  }

  async findByUserCode(userCode) {
    for (const row of this.rows.values()) if (row.userCode === userCode) return row;
    return undefined;
  }

  async consume(id) {
    this.rows.get(id).consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    this.rows.delete(id);
  }

  async revokeByGrantId(grantId) {
    for (const [rows, id] of byGrant.get(grantId) ?? []) rows.delete(id);
    byGrant.delete(grantId);
  }
}
