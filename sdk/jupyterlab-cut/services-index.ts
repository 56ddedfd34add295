/** Stands in for the index of @jupyterlab/services, which would bring all of it. */
export { CommsOverSubshells } from '@jupyterlab/services/lib/kernel/comm.js';
export { ServerConnection } from '@jupyterlab/services/lib/serverconnection.js';
