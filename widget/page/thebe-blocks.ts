/** Where a Thebe page says what it wants. */
export const THEBE_BLOCKS = 'script[type="text/x-thebe-config"]';
