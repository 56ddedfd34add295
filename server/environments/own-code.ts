/** How a requirement that is a path of the repository is written in a plan: this, then the path from its root, then extras. */
export const ownCodePrefix = './';
