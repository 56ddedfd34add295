/** Stands in for the index of @jupyterlab/services, which would bring all of it. */
export { CommsOverSubshells } from './kernel-comm.ts';
export { ServerConnection } from './serverconnection.ts';
