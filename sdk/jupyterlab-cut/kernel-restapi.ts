/** Stands in for the client of a server's kernels: ours, in `jupyter-rest.ts`, is handed to the connection. */
export const KERNEL_SERVICE_URL = 'api/kernels';

export class KernelAPIClient {}
