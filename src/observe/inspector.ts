/**
 * Shows a cache on a page: what it does, in every process of the fleet, and what would make it better.
 *
 * @packageDocumentation
 */

export { createInspector, type Inspector, type ListenOptions, type Listening } from './inspector/inspector.js';
export { type InspectorOptions } from './inspector/options.js';
