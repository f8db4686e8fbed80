// A module of a user's, with the ESM build; its top-level await is what `require` cannot load.
import { Cached, Invalidates } from '../../dist/esm/index.js';

export class Products {
  async find(id) {
    return id;
  }

  async update() {}
}

function decorate(name, decorator) {
  const descriptor = Object.getOwnPropertyDescriptor(Products.prototype, name);
  Object.defineProperty(Products.prototype, name, decorator(Products.prototype, name, descriptor) ?? descriptor);
}

decorate('find', Cached('5m', { tags: (id) => `product:${id}` }));
decorate('update', Invalidates('prodct:all'));
await Promise.resolve();

// as a service would, it keeps its process alive
setTimeout(() => {}, 600_000);
