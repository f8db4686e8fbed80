/** How the results of one method are kept: as values in memory, or as the text of a codec. */

import type { Payload } from '../base/entry.js';
import type { Codec, Revivable } from './codec.js';
import { type Copies, snapshot } from './copies.js';

/** Makes payloads of one method's results. */
export interface PayloadFormat {
  /** The id of the codec. */
  readonly codec: string;
  /** Takes the value as it is now. Throws an `UnstorableError` if no copy of it can be made. */
  fromValue(value: unknown): Payload;
  fromText(text: string): Payload;
}

/** `keepsText`: the value is written as text at once, so that later changes to it are not seen. */
export function payloadFormat(
  codec: Codec,
  copies: Copies,
  revive: readonly Revivable[],
  keepsText: boolean,
): PayloadFormat {
  const decode = (text: string): unknown => {
    const value = codec.decode(text);
    return copies === 'frozen' ? snapshot(value, copies, revive).copy() : value;
  };
  const fromText = (text: string): Payload => ({ text, codec: codec.id, copy: () => decode(text) });
  const fromValue = (value: unknown): Payload => {
    const taken = snapshot(value, copies, revive);
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
    fromText,
    fromValue: keepsText ? (value) => fromText(codec.encode(value)) : fromValue,
  };
}
