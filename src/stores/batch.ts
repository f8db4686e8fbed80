/** Gathers the reads of one tick into one command, equal keys once. */

type Texts = ReadonlyMap<string, string | undefined>;

/** More keys than this in one command would keep a server busy for too long. */
const keysPerCommand = 500;

/**
 * A read never attaches to a command that has been sent: the command may have been carried out before an invalidation
 * that the new caller must see.
 *
 *   T1 sends getMany(x, Ga) · executed · invalidate(a) returns · T0 reads x: attached, it would get the old Ga
 *
 * Gathering uses promise jobs alone, so that fake timers in a user's tests hang nothing.
 */
export class Batch {
  readonly #fetch: (keys: readonly string[]) => Promise<readonly (string | undefined)[]>;
  #gathering: { readonly texts: Map<string, string | undefined>; readonly read: Promise<Texts> } | undefined;

  constructor(fetch: (keys: readonly string[]) => Promise<readonly (string | undefined)[]>) {
    this.#fetch = fetch;
  }

  /** The texts of `keys` and perhaps of others, read after this call. */
  get(keys: readonly string[]): Promise<Texts> {
    const gathering = (this.#gathering ??= this.#open());
    for (const key of keys) gathering.texts.set(key, undefined);
    return gathering.read;
  }

  #open(): { texts: Map<string, string | undefined>; read: Promise<Texts> } {
    const texts = new Map<string, string | undefined>();
    return { texts, read: this.#sendSoon(texts) };
  }

  /** Fills `texts`, which has the keys. */
  async #sendSoon(texts: Map<string, string | undefined>): Promise<Texts> {
    // Callers of one tick do not all arrive in the same promise job: some had one `await` more before.
    for (let job = 0; job < 3; job++) await Promise.resolve();
    this.#gathering = undefined;
    const keys = [...texts.keys()];
    if (keys.length <= keysPerCommand) return fill(texts, keys, await this.#fetch(keys));
    const parts: Promise<readonly (string | undefined)[]>[] = [];
    for (let i = 0; i < keys.length; i += keysPerCommand) parts.push(this.#fetch(keys.slice(i, i + keysPerCommand)));
    return fill(texts, keys, (await Promise.all(parts)).flat());
  }
}

function fill(
  texts: Map<string, string | undefined>,
  keys: readonly string[],
  found: readonly (string | undefined)[],
): Texts {
  for (let i = 0; i < keys.length; i++) texts.set(keys[i] as string, found[i]);
  return texts;
}
