/** As much of `@nestjs/common` as the example in README.md uses: a class decorator that records that it was there. */

import 'reflect-metadata';

export function Injectable(): ClassDecorator {
  return (target) => {
    Reflect.defineMetadata('__injectable__', true, target);
  };
}
