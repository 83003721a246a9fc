import { defineConfig } from 'vitest/config';

// Tests run against the compiled dist/ (through the "#indelible/*" import map), because worker
// threads and child processes need real JavaScript files: what is tested is what is shipped.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Against real servers: vitest.services.config.ts.
    exclude: ['test/services/**'],
    testTimeout: 300_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 100_000 } },
    pool: 'forks',
    maxWorkers: 2,
  },
});
