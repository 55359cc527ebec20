import type { TestReads } from "../../src/server/test-views.ts";

/** A server whose builds had no reports. */
export const noTests: TestReads = {
  ofBuild: () => Promise.resolve(undefined),
  ofRepo: () => Promise.resolve(undefined),
  summaryOf: () => Promise.resolve(null),
};
