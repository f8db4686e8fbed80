/**
 * Faults that are put into the sources one by one. Each makes a cache that is simpler, or looks right, and is wrong: the
 * programs have to find out.
 *
 * @typedef {import('./library.mjs').Change & { readonly name: string, readonly cells?: RegExp }} Mutant `cells`: where to
 *   look for it; everywhere unless stated
 */

/** @type {readonly Mutant[]} */
export const mutants = [
  {
    name: 'generations captured after the compute',
    file: 'cache/compute.ts',
    find: '    const generations = [...own, ...late] as Generation[];',
    replace: `    const after = (await this.#core.store.readTokens([...own.keys(), ...late.keys()])) ?? new Map<string, string>();
    const generations = ([...own, ...late] as Generation[]).map(([name, token]) => [name, after.get(name) ?? token] as const);`,
    cells: /foreground . tag . (shared|tiers)/,
  },
  {
    name: 'mint not awaited',
    file: 'stores/shared.ts',
    find: '        if (await this.#run(() => add.call(this.#backend, name, token, lifetimeMs))) return this.#minted(name, token);',
    replace: `        void this.#run(() => add.call(this.#backend, name, token, lifetimeMs)).catch(() => false);
        return this.#minted(name, token);`,
    cells: /foreground . tag . (shared|tiers)/,
  },
  {
    name: 'a mint without an answer is taken for done',
    file: 'stores/shared.ts',
    find: `      this.#fail('mint', error);
      return undefined;`,
    replace: `      this.#fail('mint', error);
      return token;`,
    cells: /(foreground|replay) . tag . (shared|tiers)/,
  },
  {
    name: 'joined without comparing',
    file: 'policies/flight.ts',
    find: '    return began < this.#startedAt || this.#sameGenerations(names, tokens);',
    replace: '    return began < this.#startedAt || names.length >= 0 || tokens !== undefined;',
    cells: /joiner . tag/,
  },
  {
    name: 'joined while late generations are read once more',
    file: 'cache/compute.ts',
    find: `    this.flight.close();
    const { store, seen, flights } = this.#core;`,
    replace: '    const { store, seen, flights } = this.#core;',
    cells: /(joiner|inherited and result tags) . tag . shared/,
  },
  {
    name: 'late generations not read once more',
    file: 'cache/compute.ts',
    find: '    const now = late && (late.size === 0 ? late : await this.#readAgain(late));',
    replace: '    const now = late && ((await Promise.resolve(late)) as Tokens);',
    cells: /(joiner|inherited and result tags) . tag . shared/,
  },
  {
    name: 'result tags under generations that came after the compute',
    file: 'cache/compute.ts',
    find: 'this.#core.seen.before(name, this.flight.startedAt);',
    replace: 'this.#core.seen.before(name, Infinity);',
    cells: /inherited and result tags . tag . (shared|tiers)/,
  },
  {
    name: 'an inner call that depends on what is not known',
    file: 'cache/compute.ts',
    find: '      if (inheritance.taint !== undefined) return undefined;\n',
    replace: '',
    cells: /inherited and result tags . tag/,
  },
  {
    name: 'tags of inner calls not inherited',
    file: 'cache/compute.ts',
    find: '        if (!own.has(name)) late.set(name, token);\n',
    replace: '        if (!own.has(name)) continue;\n',
    cells: /inherited and result tags . tag/,
  },
  {
    name: 'one tag under two generations',
    file: 'cache/scope.ts',
    find: '      else if (known !== token) this.spoil(`one tag under two generations: ${name}`);',
    replace: '      else this.#tokens.set(name, token);',
    cells: /inherited and result tags . tag . (shared|tiers)/,
  },
  {
    name: 'no read fence',
    file: 'stores/tiers.ts',
    find: '      if (!this.#fence.isClean(name, sending.fence) || refuses(name)) continue;',
    replace: '      if (refuses(name)) continue;',
    cells: /(foreground|promotion|leases of the bus) . tag . tiers/,
  },
  {
    name: 'records dropped only before the deletion, without a fence after it',
    file: 'stores/tiers.ts',
    find: `    const acknowledged = await this.#shared.delete(names);
    this.forget(names);`,
    replace: '    const acknowledged = await this.#shared.delete(names);',
    cells: /(foreground|promotion|leases of the bus) . tag . tiers/,
  },
  {
    name: 'an entry promoted that was forgotten meanwhile',
    file: 'stores/tiers.ts',
    find: '    if (entry && this.#isPromotable(key, reading, options) && this.#fence.isClean(key, sending.fence))',
    replace: '    if (entry && this.#isPromotable(key, reading, options))',
    cells: /forget . tiers/,
  },
  {
    name: 'trusted across a gap of the bus',
    file: 'stores/tiers.ts',
    find: ' && (trust === 0 || record.trust === trust)',
    replace: '',
    cells: /leases of the bus . tag . tiers/,
  },
  {
    name: 'a heartbeat counted from its coming back',
    file: 'policies/lease.ts',
    find: '    this.#until = Math.max(this.#until, sentAt + leaseMs);',
    replace: '    this.#until = Math.max(this.#until, nowMs + leaseMs);',
    cells: /leases of the bus . tag . tiers/,
  },
  {
    name: 'leases never end',
    file: 'policies/lease.ts',
    find: '    return nowMs < this.#until && this.#returned >= beatsToTrust ? this.#era : 0;',
    replace: '    return nowMs < Infinity && this.#returned >= beatsToTrust ? this.#era : 0;',
    cells: /leases of the bus . tag . tiers/,
  },
  {
    name: "an answer to another's announcement taken for one's own",
    file: 'stores/coherence.ts',
    find: "    if ('to' in message && message.to !== this.#id) return;\n",
    replace: '',
    cells: /leases of the bus . tag . tiers/,
  },
  {
    name: 'peers not waited for',
    file: 'stores/coherence.ts',
    find: '    if (isKnown && live.every((id) => answered.has(id))) this.#end(announced, announcement, true);',
    replace: '    if (live.length >= 0 || isKnown || answered) this.#end(announced, announcement, true);',
    cells: /(foreground|joiner) . tag . tiers/,
  },
  {
    name: 'peers that are not known yet not waited for',
    file: 'stores/coherence.ts',
    find: '    const isKnown = isEveryoneKnown || now - sentAt >= everyLeaseMs;',
    replace: '    const isKnown = isEveryoneKnown || now >= sentAt;',
    cells: /leases of the bus . tag . tiers/,
  },
  {
    name: 'a peer that hears of it reads on without a fence',
    file: 'stores/tiers.ts',
    find: '    this.#fence.note(names);\n',
    replace: '',
    cells: /(foreground|promotion|leases of the bus) . tag . tiers/,
  },
  {
    name: 'what was not delivered is not refused',
    file: 'stores/shared.ts',
    find: `      this.#undelivered.add(names);
      return undefined;`,
    replace: '      return undefined;',
    cells: /replay . tag . (shared|tiers)/,
  },
  {
    name: 'an entry with a refused tag is served',
    file: 'cache/judgement.ts',
    find: '    const isRefused = refuses(name);',
    replace: '    const isRefused = refuses(name) && name === token;',
    cells: /replay . tag . (shared|tiers)/,
  },
  {
    name: 'invalidations in this process not noted by what runs',
    file: 'policies/flight.ts',
    find: '    return this.#fencedAll || this.#fenced.has(name);',
    replace: '    return this.#fencedAll && this.#fenced.has(name);',
    cells: /(replay|joiner|inherited and result tags) . tag . (shared|tiers)/,
  },
  {
    name: 'a server that went back in time not noticed',
    file: 'stores/servers.ts',
    find: '    if (kept === ids) return;',
    replace:
      '    if (kept !== ids) await this.#backend.set(serversKey, ids, Infinity);\n    if (kept === ids || ids) return;',
    cells: /(foreground|replay) . tag . (shared|tiers)/,
  },
  {
    name: 'forget does not wait for its own write',
    file: 'cache/core.ts',
    find: `      await this.writes.settled(key);
      return this.#remove([key]);`,
    replace: '      return this.#remove([key]);',
    cells: /forget/,
  },
  {
    name: 'forget does not stop what runs',
    file: 'cache/core.ts',
    find: '    this.flights.forget([key]);\n',
    replace: '',
    cells: /forget/,
  },
  {
    name: 'memory does not mark what was invalidated',
    file: 'stores/residents.ts',
    find: '    if (record) record.current = false;\n    this.#used.delete(name);',
    replace: '    if (!record) this.#entries.delete(name);\n    this.#used.delete(name);',
    cells: /foreground . tag . (memory|tiers)/,
  },
  {
    name: 'memory takes in what was computed under another generation',
    file: 'stores/residents.ts',
    find: 'record?.token === generations[index]?.[1]);',
    replace: 'record !== undefined && generations[index] !== undefined);',
    cells: /(foreground|joiner) . tag . (memory|tiers)/,
  },
  {
    name: 'what is invalidated is served as if it were merely old',
    file: 'cache/judgement.ts',
    find: '    const isSoft = names.isTag(name) && generations.some(([other]) => other === names.hard(name));',
    replace: '    const isSoft = generations.length > 0 && names !== undefined;',
    cells: /(background refresh|soft timeout) . tag/,
  },
  {
    name: 'an older result stored over a newer one',
    file: 'cache/compute.ts',
    find: '    return this.flight.storable && !generations.some(([name]) => this.flight.isFenced(name));',
    replace: '    return generations.length >= 0;',
    cells: /(joiner|replay|background refresh) . (tag|forget)/,
  },
  {
    name: 'memory does not end entries',
    file: 'stores/resident.ts',
    find: '  isExpired(now: number): boolean {\n',
    replace: '  isExpired(now: number): boolean {\n    if (now > 0) return false;\n',
    cells: /foreground . tag . (memory|tiers)/,
  },
  {
    name: 'nothing is cleared',
    file: 'cache/manager.ts',
    find: "{ tags: [], kind: 'invalidate' }, [this.#core.names.everything], write);",
    replace: "{ tags: [], kind: 'invalidate' }, [], write);",
    cells: /foreground . clear/,
  },
  {
    name: 'a clear without a read fence',
    file: 'stores/tiers.ts',
    find: '    this.#fence.note(names);\n',
    replace: "    this.#fence.note(names.filter((name) => !name.endsWith('#')));\n",
    cells: /(foreground|promotion|leases of the bus) . clear . tiers/,
  },
  {
    name: 'nothing is expired',
    file: 'cache/manager.ts',
    find: "    return this.#invalidated({ tags, kind: 'expire' }, names);",
    replace: "    return this.#invalidated({ tags, kind: 'expire' }, names.slice(names.length));",
    cells: /foreground . tag/,
  },
  {
    name: 'what is expired is served as fresh where it may be served as stale',
    file: 'cache/judgement.ts',
    find: "    softly ??= { makes: 'expired', reason: `expired: ${shown(name)}` };",
    replace: '    softly ??= undefined;',
    cells: /(background refresh|soft timeout) . tag/,
  },
  {
    name: 'an invalidation told of before it has ended',
    file: 'cache/manager.ts',
    find: '    const status = await this.#core.invalidate(names, write);\n',
    replace: `    const invalidating = this.#core.invalidate(names, write);
    if (!transaction) this.#core.tell(told, 'done');
    const status = await invalidating;
`,
    cells: /change feed/,
  },
  {
    name: 'a window that never closes',
    file: 'stores/resident.ts',
    find: 'Math.min(window.closesAt, now + this.ttlMs)',
    replace: '(now + this.ttlMs)',
    cells: /sliding touch . (tag|forget|clear) . (memory|tiers)/,
  },
  {
    name: 'a window begun anew for what was changed meanwhile',
    file: 'cache/call.ts',
    find: '  const { store, writes } = core;\n',
    replace: `  const { store } = core;
  const writes = { changedSince: (_key: string, since: number): boolean => since < 0 };
`,
    cells: /sliding touch . (tag|forget) . (shared|tiers)/,
  },
  {
    name: 'an old value hides failures without end',
    file: 'policies/freshness.ts',
    find: '  const ifError = overMs < policy.staleIfErrorMs;',
    replace: '  const ifError = policy.staleIfErrorMs > 0;',
    cells: /soft timeout/,
  },
];
