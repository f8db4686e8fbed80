import { cacheMetadata } from 'cachette';
import { fresh } from './fresh.js';

/** As frameworks read parameters: recorded by class and name, not by function. */
function Param(target: object, key: string | symbol, index: number): void {
  Reflect.defineMetadata(`param:${index}`, true, target, key);
}

describe('a decorated method of a framework', () => {
  const { Cached } = fresh();
  class Products {
    @Cached('5m')
    async find(@Param id: string): Promise<string> {
      return id;
    }
  }

  it('keeps its design types, where the compiler writes them', () => {
    const types = Reflect.getMetadata('design:paramtypes', Products.prototype, 'find') as unknown;
    expect(types).toEqual(COMPILER === 'esbuild' ? undefined : [String]);
  });

  it('keeps what parameter decorators recorded', () => {
    expect(Reflect.getMetadata('param:0', Products.prototype, 'find')).toBe(true);
  });

  it('can be decorated by a function call, as mixins do', async () => {
    class Plain {
      async find(id: string): Promise<string> {
        return id;
      }
    }
    const descriptor = Object.getOwnPropertyDescriptor(Plain.prototype, 'find');
    const decorate = Cached('5m') as (
      target: object,
      key: string,
      descriptor?: PropertyDescriptor,
    ) => PropertyDescriptor;
    Object.defineProperty(Plain.prototype, 'find', decorate(Plain.prototype, 'find', descriptor));

    expect(await new Plain().find('1')).toBe('1');
    expect(cacheMetadata(Plain.prototype.find)).toEqual({ cached: { ttl: '5m' } });
  });
});
