import { defineConfig } from 'vitest/config';

// Against real servers, which each test file starts and ends (scripts/services/). Two files at a time: much of what they
// do is to wait for a server that starts, or for a fault to end.
export default defineConfig({
  test: {
    include: ['test/services/**/*.test.ts'],
    testTimeout: 600_000,
    hookTimeout: 600_000,
    expect: { poll: { timeout: 300_000 } },
    env: { TEST_PATIENCE_MS: '300000' },
    pool: 'forks',
    maxWorkers: 2,
  },
});
