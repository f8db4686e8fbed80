/**
 * The rows that caches are asked for, in a file that every process reads by itself: what stands there, and what nobody
 * may be shown any more. Asking takes no turn of the event loop, so nothing comes between the question and a read.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';

const bytes = 4;

export class Truth {
  readonly #file: number;
  readonly #writers: number;

  /** A row has one slot for its version, and one per writer for what that one has invalidated: each is written by one only. */
  constructor(path: string, writers: number) {
    this.#file = openSync(path, 'r+');
    this.#writers = writers;
  }

  version(row: number): number {
    return this.#read(row)[0] ?? 0;
  }

  /** The oldest version that a read which begins now may show. */
  floor(row: number): number {
    return Math.max(...this.#read(row).subarray(1));
  }

  /** One process alone makes versions. */
  next(row: number): number {
    const version = this.version(row) + 1;
    this.#write(row, 0, version);
    return version;
  }

  /** `version` was invalidated before by `writer`: from now on nobody may read an older one. */
  raise(row: number, writer: number, version: number): void {
    const slot = writer + 1;
    if (version > (this.#read(row)[slot] ?? 0)) this.#write(row, slot, version);
  }

  close(): void {
    closeSync(this.#file);
  }

  /** 0 behind the end of the file. */
  #read(row: number): Int32Array {
    const slots = new Int32Array(this.#writers + 1);
    readSync(this.#file, slots, 0, slots.byteLength, row * slots.byteLength);
    return slots;
  }

  #write(row: number, slot: number, value: number): void {
    writeSync(this.#file, Int32Array.of(value), 0, bytes, (row * (this.#writers + 1) + slot) * bytes);
  }
}
