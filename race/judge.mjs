/**
 * What is right: the rows of a database, and how old a value may be that a read gives. A read is stale if a row in it is older
 * than one whose invalidation had returned when the read began: anywhere if it returned `done`, in the same process if it
 * returned `deferred`.
 *
 * @typedef {{ readonly rows: Readonly<Record<number, number>>, readonly atMs: number }} Value versions by row, and when the
 *   load ended
 * @typedef {{ readonly rows: readonly number[], readonly floors: readonly number[], readonly beganMs: number }} Expectation
 */

export class Judge {
  /** @type {Map<number, number>} */
  #versions = new Map();
  /** @type {Map<number, number>} */
  #everywhere = new Map();
  /** @type {Map<string, number>} */
  #inProcess = new Map();
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
    for (const [row, version] of versions) {
      if (status === 'done') this.#everywhere.set(row, Math.max(version, this.#everywhere.get(row) ?? 0));
      const own = `${process} ${row}`;
      this.#inProcess.set(own, Math.max(version, this.#inProcess.get(own) ?? 0));
    }
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
    const floors = rows.map((row) =>
      Math.max(this.#everywhere.get(row) ?? 0, this.#inProcess.get(`${process} ${row}`) ?? 0),
    );
    return { rows, floors, beganMs: nowMs };
  }

  /**
   * It has ended.
   *
   * @param {string} what
   * @param {Expectation} expected
   * @param {Value} value
   * @param {number} livesAtMostMs
   */
  check(what, { rows, floors, beganMs }, value, livesAtMostMs) {
    rows.forEach((row, index) => {
      const [version, floor] = [value.rows[row] ?? -1, floors[index] ?? 0];
      if (version < floor)
        this.wrong.push(`STALE: ${what} gave row ${row} in version ${version}; ${floor} was invalidated`);
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
