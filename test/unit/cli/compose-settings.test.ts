import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { INSTALL_DIR, PROCESSES } from "../../../src/cli/processes/process-table.ts";

/** What the image or the file itself decides, and what no operator sets. */
const DECIDED = new Set([
  "TATARA_DATA_DIR",
  "TATARA_PORT",
  "TATARA_DATABASE_URL",
  "TATARA_FAILPOINTS",
  "DOCKER_HOST",
]);

interface Compose {
  readonly services: Readonly<
    Record<string, { readonly environment?: Readonly<Record<string, unknown>> }>
  >;
}

const text = readFileSync(join(INSTALL_DIR, "compose.yaml"), "utf8");
const { services } = parse(text, { merge: true }) as Compose;

test.each([PROCESSES.server, ...PROCESSES.workers])(
  "with compose, every setting that $name reads can be set",
  ({ name, settings }) => {
    const passed = services[name]?.environment ?? {};

    expect(settings.filter((each) => !(each in passed) && !DECIDED.has(each))).toEqual([]);
  },
);
