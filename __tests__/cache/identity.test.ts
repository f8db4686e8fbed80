import {
  attachWrapper,
  createMethodSource,
  Identities,
  type Identified,
  type MethodNaming,
  type MethodSource,
} from '../../src/cache/identity.js';
import type { AsyncMethod } from '../../src/cache/options.js';
import { cacheIdentity } from '../../src/policies/key.js';

type Dialect = 'legacy' | 'standard';
type Marks = Partial<Pick<MethodSource, 'isStatic' | 'isPrivate' | 'name'>>;

const unstated: MethodNaming = { name: undefined, per: undefined };

/** Does to `holder[key]` what a decorator does, as far as naming is concerned. */
function decorate(holder: object, key: string | symbol, dialect: Dialect = 'legacy', marks: Marks = {}): MethodSource {
  const original = Reflect.get(holder, key) as AsyncMethod;
  const source = createMethodSource({
    name: String(key),
    key,
    original,
    isStatic: typeof holder === 'function',
    isPrivate: false,
    home: dialect === 'legacy' ? holder : undefined,
    ...marks,
  });
  const wrapper: AsyncMethod = (...args) => original(...args);
  Object.defineProperty(holder, key, { value: wrapper, configurable: true, writable: true });
  attachWrapper(source, wrapper);
  return source;
}

/** Hides what stands in `holder[key]` behind a wrapper of somebody else. */
function hide(holder: object, key: string): void {
  const inner = Reflect.get(holder, key) as AsyncMethod;
  Object.defineProperty(holder, key, { value: (...args: unknown[]) => inner(...args), configurable: true });
}

function setup() {
  const warnings: string[] = [];
  const identities = new Identities((code, message) => warnings.push(`${code}: ${message}`));
  const resolve = (source: MethodSource, self: unknown, naming: Partial<MethodNaming> = {}) =>
    identities.of(source, { ...unstated, ...naming }).resolve(self);
  const idOf = (source: MethodSource, self: unknown, naming: Partial<MethodNaming> = {}) => {
    const answer = resolve(source, self, naming);
    return answer.kind === 'identified' ? answer.id : `(${answer.warning})`;
  };
  return { warnings, resolve, idOf };
}

describe.each<Dialect>(['legacy', 'standard'])('a method in the %s dialect', (dialect) => {
  it('is named by the runtime class, so that generic repositories share nothing', () => {
    class Repository {
      async find(): Promise<void> {}
    }
    const find = decorate(Repository.prototype, 'find', dialect);
    class UserRepo extends Repository {}
    class OrderRepo extends Repository {}
    const { idOf, warnings } = setup();

    expect(idOf(find, new UserRepo())).toBe('UserRepo.find');
    expect(idOf(find, new OrderRepo())).toBe('OrderRepo.find');
    expect(idOf(find, new Repository())).toBe('Repository.find');
    expect(warnings).toEqual([]);
  });

  it('has the name of its class as suffix where it is reached by super', () => {
    class Base {
      async find(): Promise<string> {
        return 'base';
      }
    }
    const base = decorate(Base.prototype, 'find', dialect);
    class Middle extends Base {
      override async find(): Promise<string> {
        return 'middle';
      }
    }
    const middle = decorate(Middle.prototype, 'find', dialect);
    class Top extends Middle {}
    const { idOf, warnings } = setup();

    expect(idOf(base, new Top())).toBe('Top.find^Base');
    expect(idOf(middle, new Top())).toBe('Top.find');
    expect(idOf(base, new Base())).toBe('Base.find');
    expect(warnings).toEqual([]);
  });

  it('has the suffix too where the overriding method is not decorated', () => {
    class Base {
      async find(): Promise<void> {}
    }
    const base = decorate(Base.prototype, 'find', dialect);
    class Top extends Base {
      override async find(): Promise<void> {}
    }
    expect(setup().idOf(base, new Top())).toBe('Top.find^Base');
  });

  it('is found behind wrappers of ours', () => {
    class Base {
      async find(): Promise<void> {}
    }
    const cached = decorate(Base.prototype, 'find', dialect);
    decorate(Base.prototype, 'find', dialect);
    class Top extends Base {
      override async find(): Promise<void> {}
    }
    expect(setup().idOf(cached, new Base())).toBe('Base.find');
    expect(setup().idOf(cached, new Top())).toBe('Top.find^Base');
  });

  it('keeps its name where another wrapper hides it', () => {
    class Base {
      async find(): Promise<void> {}
    }
    const cached = decorate(Base.prototype, 'find', dialect);
    hide(Base.prototype, 'find');
    class Top extends Base {}
    const { idOf } = setup();

    expect(idOf(cached, new Base())).toBe('Base.find');
    expect(idOf(cached, new Top())).toBe('Top.find');
  });

  it('keeps its name where an object has a method of its own in that place', () => {
    class Base {
      async find(): Promise<void> {}
    }
    const cached = decorate(Base.prototype, 'find', dialect);
    const spied = Object.assign(new Base(), { find: async () => undefined });

    expect(setup().idOf(cached, spied)).toBe('Base.find');
  });

  it('is named by the class it is called on if it is static', () => {
    class Base {
      static async find(): Promise<void> {}
    }
    const cached = decorate(Base, 'find', dialect);
    class Top extends Base {}
    const { idOf } = setup();

    expect(idOf(cached, Base)).toBe('Base.find');
    expect(idOf(cached, Top)).toBe('Top.find');
  });

  it('is told from a static one of the same name', () => {
    class Products {
      static async find(): Promise<void> {}
      async find(): Promise<void> {}
    }
    const ofClass = decorate(Products, 'find', dialect);
    const ofObject = decorate(Products.prototype, 'find', dialect);
    const { idOf } = setup();

    expect(idOf(ofClass, Products)).toBe('Products.find^static');
    expect(idOf(ofObject, new Products())).toBe('Products.find');
  });

  it('is found where a mixin has copied it', () => {
    class Mixin {
      async find(): Promise<void> {}
    }
    const cached = decorate(Mixin.prototype, 'find', dialect);
    class Products {}
    Object.defineProperty(Products.prototype, 'find', { value: Mixin.prototype.find });

    expect(setup().idOf(cached, new Products())).toBe('Products.find');
  });
});

describe('an overridden method that another wrapper hides in the standard dialect', () => {
  const evaluate = () => {
    class Base {
      async find(): Promise<string> {
        return 'base';
      }
    }
    const base = decorate(Base.prototype, 'find', 'standard');
    hide(Base.prototype, 'find');
    class Top extends Base {
      override async find(): Promise<string> {
        return 'top';
      }
    }
    const top = decorate(Top.prototype, 'find', 'standard');
    hide(Top.prototype, 'find');
    return { base, top, object: new Top() };
  };

  it('has a suffix made of its text, the same at each evaluation', () => {
    const one = evaluate();
    const other = evaluate();
    const { idOf } = setup();

    expect(idOf(one.base, one.object)).toMatch(/^Top\.find\^[\w-]{8}$/);
    expect(idOf(one.top, one.object)).not.toBe(idOf(one.base, one.object));
    expect(setup().idOf(other.base, other.object)).toBe(idOf(one.base, one.object));
  });
});

describe('a private method', () => {
  class Base {
    static readonly load = async (): Promise<string> => 'base';
  }
  class Top extends Base {
    static override readonly load = async (): Promise<string> => 'top';
  }
  const privateOf = (holder: { load: AsyncMethod }, isStatic = false) =>
    createMethodSource({
      name: '#load',
      key: '#load',
      original: holder.load,
      isStatic,
      isPrivate: true,
      home: undefined,
    });

  it('has no suffix in a class that extends nothing', () => {
    expect(setup().idOf(privateOf(Base), new Base())).toBe('Base.#load');
  });

  it('has a suffix made of its text where a parent may have one of the same name', () => {
    const { idOf } = setup();
    const ofBase = idOf(privateOf(Base), new Top());
    const ofTop = idOf(privateOf(Top), new Top());

    expect(ofBase).toMatch(/^Top\.#load\^[\w-]{8}$/);
    expect(ofTop).toMatch(/^Top\.#load\^[\w-]{8}$/);
    expect(ofTop).not.toBe(ofBase);
  });

  it('has no suffix if it is static', () => {
    expect(setup().idOf(privateOf(Top, true), Top)).toBe('Top.#load');
  });

  it('is not cached where it shares even its text with one of a parent', () => {
    const { idOf, warnings } = setup();
    const one = privateOf(Base);
    const other = privateOf(Base);
    const object = new Top();

    expect(idOf(one, object)).toMatch(/^Top/);
    expect(idOf(other, object)).toMatch(/^\(Top\.#load/);
    expect(warnings).toHaveLength(1);
  });
});

describe('a method under a symbol', () => {
  it('is named by it', () => {
    const key = Symbol('find');
    class Products {
      async [key](): Promise<void> {}
    }
    expect(setup().idOf(decorate(Products.prototype, key), new Products())).toBe('Products.Symbol(find)');
  });

  it('is not cached where another symbol of the class is called the same', () => {
    const [one, other] = [Symbol('find'), Symbol('find')];
    class Products {
      async [one](): Promise<number> {
        return 1;
      }
      async [other](): Promise<number> {
        return 2;
      }
    }
    const { idOf, warnings } = setup();
    const first = decorate(Products.prototype, one);
    const second = decorate(Products.prototype, other);
    const products = new Products();

    expect(idOf(first, products)).toBe('Products.Symbol(find)');
    expect(idOf(second, products)).toMatch(/^\(Products\.Symbol\(find\)/);
    expect(idOf(first, products)).toBe('Products.Symbol(find)');
    expect(warnings).toHaveLength(1);
  });
});

describe('a call without a class that has a name', () => {
  class Products {
    async find(): Promise<void> {}
  }
  const anonymous = (() => class {})();

  it.each<[string, unknown]>([
    ['no object', undefined],
    ['null', null],
    ['a primitive', 7],
    ['a plain object', {}],
    ['an object without prototype', Object.create(null)],
    ['an object of an anonymous class', new anonymous()],
  ])('is not cached: %s', (_what, self) => {
    const { resolve, warnings } = setup();
    const find = decorate(Products.prototype, 'find');

    expect(resolve(find, self)).toMatchObject({
      kind: 'unidentified',
      warning: expect.stringContaining('name:') as string,
    });
    resolve(find, self);
    expect(warnings).toHaveLength(1);
  });

  it('is not cached for a class that is the default export of a file', () => {
    const exported = { default: class {} }.default;
    expect(exported.name).toBe('default');
    expect(setup().resolve(decorate(Products.prototype, 'find'), new exported()).kind).toBe('unidentified');
  });

  it('is cached under the name that the options give', () => {
    const { idOf } = setup();
    const find = decorate(Products.prototype, 'find');

    expect(idOf(find, undefined, { name: 'products' })).toBe('products');
    expect(idOf(find, {}, { name: 'products' })).toBe('products');
  });

  it('is not cached for a static method called on no class', () => {
    class Statics {
      static async find(): Promise<void> {}
    }
    const find = decorate(Statics, 'find');
    const { resolve } = setup();

    expect(resolve(find, undefined).kind).toBe('unidentified');
    expect(resolve(find, {}).kind).toBe('unidentified');
  });
});

describe('claims', () => {
  const products = () => {
    class Products {
      async find(): Promise<string> {
        return 'products';
      }
    }
    return { find: decorate(Products.prototype, 'find'), object: new Products() };
  };
  const otherProducts = () => {
    class Products {
      async find(): Promise<string> {
        return 'other products';
      }
    }
    return { find: decorate(Products.prototype, 'find'), object: new Products() };
  };

  it('leave a name with the first of two classes and warn once', () => {
    const { idOf, warnings } = setup();
    const [one, other] = [products(), otherProducts()];

    expect(idOf(one.find, one.object)).toBe('Products.find');
    expect(idOf(other.find, other.object)).toMatch(/^\(/);
    expect(idOf(one.find, one.object)).toBe('Products.find');
    expect(warnings).toHaveLength(1);
  });

  it('go to a class that was evaluated again after the first was called', () => {
    const { idOf, warnings } = setup();
    const before = products();
    expect(idOf(before.find, before.object)).toBe('Products.find');
    const after = products();

    expect(idOf(after.find, after.object)).toBe('Products.find');
    expect(idOf(after.find, after.object)).toBe('Products.find');
    expect(warnings).toEqual([]);
  });

  it('go to a class that was evaluated again before the first was ever called', () => {
    const { idOf, warnings } = setup();
    products();
    const after = products();

    expect(idOf(after.find, after.object)).toBe('Products.find');
    expect(warnings).toEqual([]);
  });

  it('end for both where the replaced class is called again, and for every later one', () => {
    const { idOf, warnings } = setup();
    const before = products();
    idOf(before.find, before.object);
    const after = products();
    idOf(after.find, after.object);

    expect(idOf(before.find, before.object)).toMatch(/^\(/);
    expect(idOf(after.find, after.object)).toMatch(/^\(/);
    expect(warnings).toHaveLength(1);
    const later = products();
    expect(idOf(later.find, later.object)).toMatch(/^\(/);
  });

  it('tell classes that a factory made from one source from a reloaded one', () => {
    const { idOf, warnings } = setup();
    const [users, orders] = [products(), products()];

    expect(idOf(users.find, users.object)).toBe('Products.find');
    expect(idOf(orders.find, orders.object)).toMatch(/^\(/);
    expect(idOf(users.find, users.object)).toBe('Products.find');
    expect(warnings).toHaveLength(1);
  });

  it('tell classes of the same source over different parents', () => {
    class Users {}
    class Orders {}
    class Repository {
      async find(): Promise<void> {}
    }
    const withFind = (parent: new () => object) => {
      class Repo extends parent {
        async find(): Promise<void> {}
      }
      return { find: decorate(Repo.prototype, 'find'), object: new Repo() };
    };
    const { idOf } = setup();
    const users = withFind(Users);
    expect(idOf(users.find, users.object)).toBe('Repo.find');
    const orders = withFind(Orders);

    expect(idOf(orders.find, orders.object)).toMatch(/^\(/);
    expect(Repository.name).toBe('Repository');
  });

  it('are checked between different methods with the same given name', () => {
    const { idOf, warnings } = setup();
    const [one, other] = [products(), otherProducts()];

    expect(idOf(one.find, one.object, { name: 'find' })).toBe('find');
    expect(idOf(other.find, other.object, { name: 'find' })).toMatch(/^\(/);
    expect(warnings).toHaveLength(1);
  });

  it('are not checked between classes where the name is given', () => {
    class Repository {
      async find(): Promise<void> {}
    }
    const find = decorate(Repository.prototype, 'find');
    class Users extends Repository {}
    class Orders extends Repository {}
    const { idOf } = setup();
    const named = { name: 'find', per: 'class' } as const;

    expect(idOf(find, new Users(), named)).toBe('find');
    expect(idOf(find, new Orders(), named)).toBe('find');
  });

  it('let a method with a given name be evaluated again, and both live on', () => {
    const { idOf, warnings } = setup();
    const named = { name: 'find', per: 'class' } as const;
    const [before, after] = [products(), products()];

    expect(idOf(before.find, before.object, named)).toBe('find');
    expect(idOf(after.find, after.object, named)).toBe('find');
    expect(idOf(before.find, before.object, named)).toBe('find');
    expect(warnings).toEqual([]);
  });

  it('are checked between a given name and that of a class', () => {
    const { idOf } = setup();
    const [one, other] = [products(), otherProducts()];

    expect(idOf(one.find, one.object)).toBe('Products.find');
    expect(idOf(other.find, other.object, { name: 'Products.find' })).toMatch(/^\(/);
  });

  it('of two caches do not meet', () => {
    const [one, other] = [products(), otherProducts()];
    expect(setup().idOf(one.find, one.object)).toBe('Products.find');
    expect(setup().idOf(other.find, other.object)).toBe('Products.find');
  });
});

describe('instances', () => {
  class Products {
    readonly table: string;
    constructor(table = 'products') {
      this.table = table;
    }
    async find(): Promise<void> {}
  }
  class Tenant {
    readonly id: string;
    constructor(id: string) {
      this.id = id;
    }
    async find(): Promise<void> {}
    [cacheIdentity](): string {
      return this.id;
    }
  }
  const instance = (answer: unknown) => (answer as Identified).instance;

  it('share entries where nothing is said, with one warning at the second', () => {
    const { resolve, warnings } = setup();
    const find = decorate(Products.prototype, 'find');
    const [one, other] = [new Products(), new Products()];

    expect(instance(resolve(find, one))).toBeUndefined();
    resolve(find, one);
    expect(warnings).toEqual([]);
    expect(resolve(find, other)).toBe(resolve(find, one));
    resolve(find, new Products());
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/^many-instances: .*per: 'class'.*per: 'instance'.*cacheIdentity/);
  });

  it('share entries without a warning where that is said', () => {
    const { resolve, warnings } = setup();
    const find = decorate(Products.prototype, 'find');

    expect(resolve(find, new Products(), { per: 'class' })).toBe(resolve(find, new Products(), { per: 'class' }));
    expect(warnings).toEqual([]);
  });

  it('of different classes are counted apart', () => {
    const { resolve, warnings } = setup();
    const find = decorate(Products.prototype, 'find');
    class Other extends Products {}

    resolve(find, new Products());
    resolve(find, new Other());
    expect(warnings).toEqual([]);
  });

  it("have a random identity each with per: 'instance', unknown outside this process", () => {
    const { resolve } = setup();
    const find = decorate(Products.prototype, 'find');
    const [one, other] = [new Products(), new Products()];
    const perInstance = { per: 'instance' } as const;

    expect(instance(resolve(find, one, perInstance))).toMatch(/^[\w-]{16,}$/);
    expect(instance(resolve(find, one, perInstance))).toBe(instance(resolve(find, one, perInstance)));
    expect(instance(resolve(find, other, perInstance))).not.toBe(instance(resolve(find, one, perInstance)));
    expect(resolve(find, one, perInstance)).toMatchObject({ isLocal: true });
  });

  it.each([undefined, 'instance'] as const)('with an identity identify themselves, per: %s', (per) => {
    const { resolve, warnings } = setup();
    const find = decorate(Tenant.prototype, 'find');

    expect(instance(resolve(find, new Tenant('a'), { per }))).toBe('a');
    expect(instance(resolve(find, new Tenant('b'), { per }))).toBe('b');
    expect(resolve(find, new Tenant('b'), { per })).toMatchObject({ isLocal: false });
    expect(warnings).toEqual([]);
  });

  it("with an identity share entries all the same with per: 'class'", () => {
    const { resolve } = setup();
    const find = decorate(Tenant.prototype, 'find');
    expect(instance(resolve(find, new Tenant('a'), { per: 'class' }))).toBeUndefined();
  });

  it('are told apart by a function', () => {
    const { resolve } = setup();
    const find = decorate(Products.prototype, 'find');
    const per = (self: Products) => self.table;

    expect(instance(resolve(find, new Products('a'), { per }))).toBe('a');
    expect(instance(resolve(find, new Products('b'), { per }))).toBe('b');
  });

  it.each<[string, () => string]>([
    ['gives no string', () => 7 as never],
    [
      'throws',
      () => {
        throw new Error('no');
      },
    ],
  ])('are not cached where the function %s, with one warning', (_what, per) => {
    const { resolve, warnings } = setup();
    const find = decorate(Products.prototype, 'find');

    expect(resolve(find, new Products(), { per }).kind).toBe('unidentified');
    resolve(find, new Products(), { per });
    expect(warnings).toHaveLength(1);
  });

  it('do not matter to static methods', () => {
    class Statics {
      static async find(): Promise<void> {}
    }
    const find = decorate(Statics, 'find');
    expect(instance(setup().resolve(find, Statics, { per: 'instance' }))).toBeUndefined();
  });

  it("are needed for per: 'instance'", () => {
    const { resolve, warnings } = setup();
    const find = decorate(Products.prototype, 'find');

    expect(resolve(find, undefined, { name: 'find', per: 'instance' }).kind).toBe('unidentified');
    expect(warnings).toHaveLength(1);
  });
});

describe('a name that was found', () => {
  it('is the same frozen object at each call', () => {
    class Products {
      async find(): Promise<void> {}
    }
    const { resolve } = setup();
    const find = decorate(Products.prototype, 'find');
    const products = new Products();

    expect(resolve(find, products)).toBe(resolve(find, products));
    expect(Object.isFrozen(resolve(find, products))).toBe(true);
  });
});
