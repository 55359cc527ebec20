import { expect, test } from "vitest";
import { fuzzHttp } from "../support/http-fuzz/fuzz-http.ts";

const SEED = 20_261_122;
const COUNT = 1_500;

/** `npm run torture -- --suite http-fuzz` makes as many as one likes, with any seed. */
test("whatever is sent to API, pages and lease API is answered, never by a fault of ours", async () => {
  const { statuses, found } = await fuzzHttp({ seed: SEED, count: COUNT });

  expect(found).toEqual([]);
  // Most came past the guards and the parsers.
  expect(statuses["200"] ?? 0).toBeGreaterThan(COUNT / 10);
});
