/** Stands in for the client of kernel specs, which a connection makes and ours never asks. */
export class KernelSpecAPIClient {}
