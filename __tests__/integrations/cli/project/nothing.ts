/** Nothing is decorated here. */

export const nothing = 1;
