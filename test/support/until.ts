/** How long a test waits for what must come about: a slow machine is no fault, and what never comes is found all the same. */
export const PATIENCE_MS = 100_000;

/** Waits until something is so. @throws Error with the condition, if it does not become so */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not so within ${PATIENCE_MS} ms: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
