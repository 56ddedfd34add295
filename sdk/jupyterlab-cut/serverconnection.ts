import { deserialize, serialize } from '@jupyterlab/services/lib/kernel/serialize.js';

/** Stands in for the settings and requests of @jupyterlab/services: settings are given whole, requests are ours. */
export const ServerConnection = {
  makeSettings: (options: object = {}) => ({ serializer: { serialize, deserialize }, ...options }),
  NetworkError: class extends TypeError {},
};
