import { fakePageParts } from './fake-page-parts.ts';

const fake = fakePageParts();

Object.assign(globalThis, { fake });

/** Stands in for `widget/sdk-parts.ts` in a page whose launches and kernels the test steers as `window.fake`. */
export const sdkParts = () => fake.parts;
