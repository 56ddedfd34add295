/** Waits until a condition holds; throws after two seconds. */
export const until = async (condition: () => unknown, waitMs = 2_000): Promise<void> => {
  const end = performance.now() + waitMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`this did not come true: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};
