import { defineConfig } from 'vitest/config';

// Against real servers, which each test file starts and ends (scripts/services/). One file at a time: they
// share one machine, and some measure nothing but wait for what a busy one does late.
export default defineConfig({
  test: {
    include: ['test/services/**/*.test.ts'],
    testTimeout: 180_000,
    hookTimeout: 600_000,
    expect: { poll: { timeout: 100_000 } },
    pool: 'forks',
    fileParallelism: false,
  },
});
