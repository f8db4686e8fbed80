/** The names under which a cache keeps entries and generations on a store. */

import { CacheConfigError } from '../base/errors.js';
import { nearest } from '../base/suggest.js';
import { entryKey, generationKey, segment } from '../policies/key.js';
import { wireVersion } from '../stores/wire.js';

/** What an entry's key is made of, besides the arguments. */
export interface EntryPlace {
  /** `Products.find`. */
  readonly id: string;
  readonly version: string | undefined;
  readonly partition: string | undefined;
  readonly instance: string | undefined;
}

/** No segment of an entry's key begins with `#`, so that an entry and a generation never meet. */
export class Names {
  /** The generation that every entry has: deleting it clears the namespace. */
  readonly everything: string;
  /** Where the run ids of the servers are kept. */
  readonly servers: string;
  /** What processes tell each other goes over this channel. */
  readonly channel: string;
  readonly #prefix: string;
  readonly #tagPrefix: string;
  readonly #hardPrefix: string;
  /** With the colon that ends them: made once, as they are asked for at each hit. */
  readonly #tagStart: string;
  readonly #hardStart: string;

  readonly #tagKinds: readonly string[] | undefined;

  /** `tagKinds`: the first parts of all tags; without them any tag will do. */
  constructor(namespace: string, tagKinds?: readonly string[]) {
    this.#tagKinds = tagKinds;
    this.#prefix = `${segment(namespace)}:${wireVersion}`;
    this.everything = `${this.#prefix}:#`;
    this.servers = `${this.#prefix}:#servers`;
    this.channel = `${this.#prefix}:#bus`;
    this.#tagPrefix = `${this.#prefix}:#t`;
    this.#hardPrefix = `${this.#prefix}:#h`;
    this.#tagStart = `${this.#tagPrefix}:`;
    this.#hardStart = `${this.#hardPrefix}:`;
  }

  /**
   * The generation of a tag.
   *
   * @throws CacheConfigError if it is of no known kind
   */
  tag(tag: string): string {
    if (this.#tagKinds) checkKind(tag, this.#tagKinds);
    return generationKey(this.#tagPrefix, tag);
  }

  /** The generations of `tags`, each once; with the second ones where an entry is of use when it is merely old. */
  tags(tags: readonly string[], withHard: boolean): string[] {
    if (tags.length === 1 && !withHard) return [this.tag(tags[0] as string)];
    const names = [...new Set(tags.map((tag) => this.tag(tag)))];
    return withHard ? names.flatMap((name) => [name, this.hard(name)]) : names;
  }

  /**
   * The second generation of a tag. `expire` deletes the first alone, `invalidate` both: an entry that has the two and has
   * lost only the first is old, and not wrong. `name`: the first.
   */
  hard(name: string): string {
    return `${this.#hardPrefix}${name.slice(this.#tagPrefix.length)}`;
  }

  /** The generation that every entry of a method has: deleting it forgets them all. */
  method(id: string): string {
    return generationKey(`${this.#prefix}:#m`, id);
  }

  /** What the one process holds that computes an entry for all. */
  lease(key: string): string {
    return generationKey(`${this.#prefix}:#l`, key);
  }

  /** Whether a generation is one of the two that every entry has. */
  isReserved(name: string): boolean {
    return !this.isTag(name) && !this.isHard(name);
  }

  /** Whether a generation is the first one of a tag. */
  isTag(name: string): boolean {
    return name.startsWith(this.#tagStart);
  }

  /** Whether a generation is the second one of a tag. */
  isHard(name: string): boolean {
    return name.startsWith(this.#hardStart);
  }

  /** The method that a generation is of; undefined for one of something else. For people: long names are shortened. */
  methodOf(name: string): string | undefined {
    const prefix = `${this.#prefix}:#m:`;
    return name.startsWith(prefix) ? name.slice(prefix.length) : undefined;
  }

  /** For people: the tag, or the end of what it was shortened to. */
  shownTag(name: string): string {
    if (name === this.everything) return '(everything)';
    return name.slice(this.#tagPrefix.length + 1);
  }

  /** Of generations, those that are tags, for people. */
  shownTags(names: readonly string[]): string[] {
    return names.filter((name) => this.isTag(name)).map((name) => this.shownTag(name));
  }

  /** The first part of the keys of a method's entries. */
  entryPrefix({ id, version, partition, instance }: EntryPlace): string {
    const parts = [this.#prefix];
    if (partition !== undefined) parts.push(`[${segment(partition)}]`);
    parts.push(version === undefined ? idSegment(id) : `${idSegment(id)}@${segment(version)}`);
    if (instance !== undefined) parts.push(`*${segment(instance)}`);
    return parts.join(':');
  }

  entry(prefix: string, args: readonly unknown[]): string {
    return entryKey(prefix, args);
  }
}

/** The first parts of a key, and the rest; undefined for what no cache has written. */
export function keyParts(
  key: string,
): { readonly namespace: string; readonly version: string; readonly rest: string } | undefined {
  const [, namespace, version, rest] = /^([^:]+):(\d+):(.+)$/s.exec(key) ?? [];
  return namespace === undefined || version === undefined || rest === undefined
    ? undefined
    : { namespace, version, rest };
}

/** What marks generations, partitions and versions does not stand where it could be taken for one. */
function idSegment(id: string): string {
  return segment(id).replace(/^[#[]|@/g, (sign) => `%${sign.charCodeAt(0).toString(16)}`);
}

function checkKind(tag: string, kinds: readonly string[]): void {
  const kind = tag.split(':', 1)[0] ?? '';
  if (kinds.includes(kind)) return;
  const meant = nearest(kind, kinds);
  throw new CacheConfigError({
    where: 'tagKinds',
    what: `the tag '${tag}' is of none of the kinds ${kinds.join(', ')}`,
    instead: meant ? `write '${meant}${tag.slice(kind.length)}'` : 'add its kind to tagKinds',
  });
}
