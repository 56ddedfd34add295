/** Stands in for the checks of each message: whoever reads one here takes missing fields for empty ones. */
export const validateMessage = (message: { header?: { msg_id?: unknown } }): void => {
  if (typeof message.header?.msg_id !== 'string') throw new Error('a message without a header');
};
