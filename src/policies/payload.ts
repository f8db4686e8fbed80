/** How the results of one method are kept: as values in memory, or as the text of a codec. */

import type { Payload } from '../base/entry.js';
import type { Codec, Revivable } from './codec.js';
import { type Copies, type Snapshot, snapshot } from './copies.js';

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
  const decode = (text: string): unknown => {
    const value = codec.decode(text);
    return copies === 'frozen' ? snapshot(value, copies, revive).copy() : value;
  };
  const asText = (text: string): Payload => ({ text, codec: codec.id, copy: () => decode(text) });
  /** Decoded once, when it is first asked for; from then on the value is kept, and the text no more. */
  const asValue = (text: string): Payload => {
    let state: { readonly taken: Snapshot } | { readonly text: string } = { text };
    return {
      codec: codec.id,
      copy: () => {
        if ('text' in state) state = { taken: snapshot(codec.decode(state.text), copies, revive) };
        return state.taken.copy();
      },
      get text() {
        return 'text' in state ? state.text : codec.encode(state.taken.value);
      },
    };
  };
  const fromValue = (value: unknown): Payload => {
    const taken = snapshot(value, copies, revive);
    // A shared value may be of any class in memory, and not so behind it: that is to be found out now.
    if (keeps === 'both' && copies === 'shared') codec.encode(value);
    return {
      codec: codec.id,
      copy: () => taken.copy(),
      get text() {
        return codec.encode(taken.value);
      },
    };
  };
  return {
    codec: codec.id,
    fromText: keeps === 'text' ? asText : asValue,
    fromValue: keeps === 'text' ? (value) => asText(codec.encode(value)) : fromValue,
  };
}
