import { createCache } from 'cachette';

void createCache().bypass(() => Promise.reject(new Error('nobody handles it')));
