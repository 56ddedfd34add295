describe('the browser test runner', () => {
  it('runs TypeScript in a real browser', () => {
    if (!('customElements' in globalThis)) throw new Error('no browser');
  });
});
