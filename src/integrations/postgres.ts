/**
 * Tells a cache what changes in a PostgreSQL database.
 *
 * @packageDocumentation
 */

export { postgresChanges, type PostgresChanges, type PostgresChangesOptions } from './postgres/changes.js';
export { dropTriggersSql, triggersSql, type TriggersOptions, type TriggersTarget } from './postgres/triggers.js';
