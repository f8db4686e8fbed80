// The same with the CommonJS build.
const { Cached } = require('../../dist/cjs/index.js');

class Orders {
  async find(id) {
    return id;
  }
}
const descriptor = Object.getOwnPropertyDescriptor(Orders.prototype, 'find');
Object.defineProperty(
  Orders.prototype,
  'find',
  Cached({ name: 'Orders.find' })(Orders.prototype, 'find', descriptor) ?? descriptor,
);

module.exports = { Orders };
