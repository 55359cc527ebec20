import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { yumLayout } from "../../../src/yum/layout.ts";
import { segmentIndex } from "../../../src/yum/resolve/segment-index.ts";
import { INDEX_FILE, joinIndexes } from "../../../workers/publish/engine/thread/segment-index.ts";
import { anRpm } from "../../support/an-rpm.ts";

test("a joined index is what would be made of the packages themselves", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tatara-indexes-"));
  const layout = yumLayout(folder);
  const name = fc.integer({ min: 0, max: 30 }).map((i) => `name-${i}`);
  const rpm = fc.record({
    name,
    provides: fc.array(name, { maxLength: 3 }),
    requires: fc.array(name, { maxLength: 3 }),
    files: fc.array(
      name.map((each) => `/usr/bin/${each}`),
      { maxLength: 3 },
    ),
  });
  const segment = fc.array(fc.tuple(rpm, fc.boolean()), { minLength: 1, maxLength: 12 });
  const property = fc.asyncProperty(
    fc.array(segment, { minLength: 1, maxLength: 4 }),
    async (segments) => {
      const sources = segments.map((packages, i) => {
        return { id: String(i).repeat(64), isKept: packages.map(([, isKept]) => isKept) };
      });
      for (const [i, packages] of segments.entries()) {
        const at = layout.segment(sources[i]?.id ?? "");
        await mkdir(at, { recursive: true });
        await writeFile(join(at, INDEX_FILE), segmentIndex(packages.map(([wish]) => anRpm(wish))));
      }

      const joined = await joinIndexes(layout, sources);

      const kept = segments.flat().flatMap(([wish, isKept]) => (isKept ? [anRpm(wish)] : []));
      expect(joined.equals(segmentIndex(kept))).toBe(true);
    },
  );
  try {
    await fc.assert(property, { numRuns: 60 });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
