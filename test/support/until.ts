/** How long a test waits for what must come about: a slow machine is no fault, and what never comes is found all the same. */
export const PATIENCE_MS = Number(process.env['TEST_PATIENCE_MS'] ?? 100_000);

/** Waits until something is so. @throws Error with the condition, if it does not become so */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const started = performance.now();
  while (!(await condition())) {
    const waited = performance.now() - started;
    if (waited > PATIENCE_MS) throw new Error(`not so within ${PATIENCE_MS} ms: ${condition.toString()}`);
    // Less often when it takes very long: what is asked has something else to do.
    await new Promise((resolve) => setTimeout(resolve, waited < 5_000 ? 5 : 50));
  }
}
