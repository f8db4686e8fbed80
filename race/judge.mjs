/**
 * What is right: the rows of a database, and how old a value may be that a read gives. A read is stale if a row in it is older
 * than one whose invalidation had returned when the read began: anywhere if it returned `done`, in the same process if it
 * returned `deferred`. A value that is served as fresh may not be older than one that was expired either.
 *
 * @typedef {{ readonly rows: Readonly<Record<number, number>>, readonly atMs: number,
 *   readonly by?: string, readonly isStale?: boolean }} Value versions by row, when the load ended, the process that has loaded it, if
 *   it was one, and whether it was served as one that is not fresh
 * @typedef {{ readonly rows: readonly number[], readonly floors: readonly number[],
 *   readonly freshFloors: readonly number[], readonly beganMs: number }} Expectation
 */

export class Judge {
  /** @type {Map<number, number>} */
  #versions = new Map();
  /** Of what was invalidated. */
  #wrong = new Floors();
  /** Of what was expired. */
  #old = new Floors();
  /** In words. @type {string[]} */
  wrong = [];

  /** @param {number} row */
  version(row) {
    return this.#versions.get(row) ?? 0;
  }

  /** The row changes. @param {number} row */
  write(row) {
    this.#versions.set(row, this.version(row) + 1);
  }

  /** All rows as they are now. @returns {ReadonlyMap<number, number>} */
  versions() {
    return new Map(this.#versions);
  }

  /**
   * These have been invalidated.
   *
   * @param {ReadonlyMap<number, number>} versions
   * @param {'done' | 'deferred'} status
   * @param {number} process
   */
  invalidated(versions, status, process) {
    this.#wrong.raise(versions, status, process);
  }

  /**
   * These have been expired, and what is old may still be served as such.
   *
   * @param {ReadonlyMap<number, number>} versions
   * @param {'done' | 'deferred'} status
   * @param {number} process
   */
  expired(versions, status, process) {
    this.#old.raise(versions, status, process);
  }

  /**
   * A read begins.
   *
   * @param {number} process
   * @param {readonly number[]} rows
   * @param {number} nowMs
   * @returns {Expectation}
   */
  expect(process, rows, nowMs) {
    const floors = rows.map((row) => this.#wrong.of(process, row));
    const freshFloors = rows.map((row) => this.#old.of(process, row));
    return { rows, floors, freshFloors, beganMs: nowMs };
  }

  /**
   * It has ended.
   *
   * @param {string} what
   * @param {Expectation} expected
   * @param {Value} value
   * @param {number} livesAtMostMs
   */
  check(what, { rows, floors, freshFloors, beganMs }, value, livesAtMostMs) {
    rows.forEach((row, index) => {
      const [version, floor] = [value.rows[row] ?? -1, floors[index] ?? 0];
      if (version < floor)
        this.wrong.push(`STALE: ${what} gave row ${row} in version ${version}; ${floor} was invalidated`);
      else if (!value.isStale && version < (freshFloors[index] ?? 0))
        this.wrong.push(
          `OLD: ${what} gave row ${row} in version ${version} as fresh; ${freshFloors[index]} was expired`,
        );
      if (version > this.version(row))
        this.wrong.push(`FALSE: ${what} gave row ${row} in version ${version}, which is not there`);
    });
    const ageMs = beganMs - value.atMs;
    if (ageMs > livesAtMostMs)
      this.wrong.push(`EXPIRED: ${what} gave a value of ${ageMs} ms; ${livesAtMostMs} are allowed`);
  }

  /** @param {string} what */
  failed(what) {
    this.wrong.push(what);
  }
}

/** The least version of each row that a read may give. */
class Floors {
  /** @type {Map<number, number>} */
  #everywhere = new Map();
  /** @type {Map<string, number>} */
  #inProcess = new Map();

  /**
   * @param {ReadonlyMap<number, number>} versions
   * @param {'done' | 'deferred'} status
   * @param {number} process
   */
  raise(versions, status, process) {
    for (const [row, version] of versions) {
      if (status === 'done') this.#everywhere.set(row, Math.max(version, this.#everywhere.get(row) ?? 0));
      const own = `${process} ${row}`;
      this.#inProcess.set(own, Math.max(version, this.#inProcess.get(own) ?? 0));
    }
  }

  /**
   * @param {number} process
   * @param {number} row
   */
  of(process, row) {
    return Math.max(this.#everywhere.get(row) ?? 0, this.#inProcess.get(`${process} ${row}`) ?? 0);
  }
}
