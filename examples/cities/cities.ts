/** The city catalogue: what is read often is cached, and what changes data says what it makes wrong. */

import { Cached, Invalidates } from 'cachette';

export interface City {
  id: number;
  name: string;
  country: string;
  population: number;
  /** 1, and one more with each write to this row. */
  version: number;
}

/** A pool of `pg` has this, and so has PGlite. */
export interface Database {
  query<Row>(sql: string, parameters: unknown[]): Promise<{ rows: Row[] }>;
}

export class Cities {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  @Cached('5m', { tags: (id) => `city:${id}` })
  async find(id: number): Promise<City | undefined> {
    return (await this.#query('SELECT * FROM cities WHERE id = $1', id))[0];
  }

  /** Has the tags of the cities in it as well: they come from the calls of `find`. */
  @Cached('5m', { tags: (country) => `country:${country}` })
  async largest(country: string): Promise<City[]> {
    return this.#findAll('SELECT id FROM cities WHERE country = $1 ORDER BY population DESC, id LIMIT 10', country);
  }

  /** A city in the result is always up to date. One that has got a matching name may be missing for ten seconds. */
  @Cached('10s')
  async search(prefix: string): Promise<City[]> {
    return this.#findAll('SELECT id FROM cities WHERE lower(name) ^@ lower($1) ORDER BY name, id LIMIT 10', prefix);
  }

  @Invalidates((id) => `city:${id}`)
  async rename(id: number, name: string): Promise<City | undefined> {
    return this.#update('name = $2', id, name);
  }

  /** Other cities may now be the largest ones of the country, and only the result tells which country that is. */
  @Invalidates({ tags: (id) => `city:${id}`, resultTags: (city) => (city ? `country:${city.country}` : []) })
  async setPopulation(id: number, population: number): Promise<City | undefined> {
    return this.#update('population = $2', id, population);
  }

  async #findAll(sql: string, parameter: string): Promise<City[]> {
    const ids = await this.#query(sql, parameter);
    const cities = await Promise.all(ids.map(({ id }) => this.find(id)));
    return cities.filter((city) => city !== undefined);
  }

  async #update(change: string, ...parameters: unknown[]): Promise<City | undefined> {
    const sql = `UPDATE cities SET ${change}, version = version + 1 WHERE id = $1 RETURNING *`;
    return (await this.#query(sql, ...parameters))[0];
  }

  async #query(sql: string, ...parameters: unknown[]): Promise<City[]> {
    return (await this.#database.query<City>(sql, parameters)).rows;
  }
}
