/** How the results of one method are kept: as values in memory, or as the text of a codec. */

import type { Payload } from '../base/entry.js';
import type { Codec, Revivable } from './codec.js';
import { type Copier, type Copies, type Snapshot, snapshot } from './copies.js';

/** Makes payloads of one method's results. */
export interface PayloadFormat {
  /** The id of the codec. */
  readonly codec: string;
  /** Takes the value as it is now. Throws an `UnstorableError` if no copy of it can be made. */
  fromValue(value: unknown): Payload;
  fromText(text: string): Payload;
}

/** In which form a store keeps payloads; `both`: the value in memory, in front of a store that keeps the text. */
export type Keeps = 'value' | 'text' | 'both';

/** Where only the text is kept, the value is written at once, so that later changes to it are not seen. */
export function payloadFormat(codec: Codec, copies: Copies, revive: readonly Revivable[], keeps: Keeps): PayloadFormat {
  const how: How = { codec, copies, revive };
  const fromValue = (value: unknown): Payload => {
    const taken = snapshot(value, copies, revive);
    // A shared value may be of any class in memory, and not so behind it: that is to be found out now.
    if (keeps === 'both' && copies === 'shared') codec.encode(value);
    return new ValuePayload(how, taken.value, taken.copier);
  };
  if (keeps === 'text') {
    const fromText = (text: string): Payload => new TextPayload(how, text);
    return { codec: codec.id, fromText, fromValue: (value) => fromText(codec.encode(value)) };
  }
  return { codec: codec.id, fromText: (text) => new ValuePayload(how, text, undefined), fromValue };
}

/** What all payloads of a method have in common. */
interface How {
  readonly codec: Codec;
  readonly copies: Copies;
  readonly revive: readonly Revivable[];
}

/** Decoded for each who asks. */
class TextPayload implements Payload {
  readonly text: string;
  readonly #how: How;

  constructor(how: How, text: string) {
    this.#how = how;
    this.text = text;
  }

  get codec(): string {
    return this.#how.codec.id;
  }

  copy(): unknown {
    const { codec, copies, revive } = this.#how;
    const value = codec.decode(this.text);
    return copies === 'frozen' ? snapshot(value, copies, revive).copy() : value;
  }
}

/** A text is decoded once, when it is first asked for; from then on the value is kept, and the text no more. */
class ValuePayload implements Payload {
  readonly #how: How;
  /** The master, or the text. */
  #kept: unknown;
  /** Undefined: the text is kept. */
  #copier: Copier | undefined;

  constructor(how: How, kept: unknown, copier: Copier | undefined) {
    this.#how = how;
    this.#kept = kept;
    this.#copier = copier;
  }

  get codec(): string {
    return this.#how.codec.id;
  }

  get text(): string {
    return this.#copier ? this.#how.codec.encode(this.#kept) : (this.#kept as string);
  }

  copy(): unknown {
    if (!this.#copier) ({ value: this.#kept, copier: this.#copier } = decoded(this.#how, this.#kept as string));
    return this.#copier(this.#kept);
  }
}

// Not a private method, which would take a place in each object.
function decoded({ codec, copies, revive }: How, text: string): Snapshot {
  return snapshot(codec.decode(text), copies, revive);
}
