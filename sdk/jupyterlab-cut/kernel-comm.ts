/** Stands in for the comms of @jupyterlab/services, which are switched off: ours are in `jupyter-comms.ts`. */
export const CommsOverSubshells = { Disabled: 'disabled', PerCommTarget: 'per_comm_target' };

export class CommHandler {}
