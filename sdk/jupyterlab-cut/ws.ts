/** Stands in for ws: a page has a WebSocket of its own. */
export default undefined;
