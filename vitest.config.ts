import { defineConfig } from "vitest/config";
import { LongOnesFirst } from "./test/support/long-ones-first.ts";

export default defineConfig({
  test: {
    reporters: ["default", "./test/support/count-reporter.ts"],
    sequence: { sequencer: LongOnesFirst },
    projects: [
      {
        test: {
          name: "unit",
          sequence: { groupOrder: 0 },
          include: ["test/unit/**/*.test.ts"],
          isolate: false,
          pool: "threads",
          // No test waits: only a machine with much else to do takes longer than a few seconds.
          testTimeout: 120_000,
        },
      },
      {
        test: {
          name: "integration",
          sequence: { groupOrder: 1 },
          include: ["test/integration/**/*.test.ts"],
          pool: "forks",
          // One for each core: most of them wait now and then for gpg, dnf or a container.
          maxWorkers: "100%",
          // Some install packages: their network and their machine may be slow.
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          name: "e2e",
          sequence: { groupOrder: 2 },
          include: ["test/e2e/**/*.test.ts"],
          pool: "forks",
          // Each file boots a whole Tatara with real containers. They mostly wait for each other, for
          // containers and for timers, but more of them than this would take the cores from each other.
          maxWorkers: 3,
          maxConcurrency: 3,
          // Longer than a torture form waits for quiet: it ends by itself, and removes what it started.
          testTimeout: 900_000,
          hookTimeout: 900_000,
        },
      },
    ],
  },
});
