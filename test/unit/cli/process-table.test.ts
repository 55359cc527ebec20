import { expect, test } from "vitest";
import {
  environmentFor,
  PASSED_TO_ALL,
  PROCESSES,
} from "../../../src/cli/processes/process-table.ts";

const ALL = [PROCESSES.server, ...PROCESSES.workers];

/** Who may know each secret, and each way to a privilege. */
const MAY_KNOW = {
  TATARA_ADMIN_TOKEN: ["server"],
  TATARA_GITHUB_WEBHOOK_SECRET: ["server"],
  TATARA_GITHUB_READ_TOKEN: ["server"],
  TATARA_GITHUB_HOOK_TOKEN: ["server"],
  TATARA_DATABASE_URL: ["server"],
  TATARA_BUILD_TOKEN: ["server"],
  TATARA_PUBLISH_TOKEN: ["server"],
  TATARA_REPORT_TOKEN: ["server"],
  TATARA_GITHUB_STATUS_TOKEN: ["report"],
  TATARA_WORKER_TOKEN: ["build", "publish", "report"],
  DOCKER_HOST: ["build"],
  TATARA_TOKEN: [],
} as const;

test.each(Object.entries(MAY_KNOW))("%s reaches %o and nobody else", (name, expected) => {
  const knowing = ALL.filter(
    ({ settings }) => name in environmentFor(settings, { [name]: "x" }, {}),
  );

  expect(knowing.map((process) => process.name)).toEqual(expected);
});

test.each([
  "AWS_SECRET_ACCESS_KEY",
  "GITHUB_TOKEN",
  "NODE_OPTIONS",
  "LD_PRELOAD",
  "TATARA_UNKNOWN",
])("%s of the supervisor's own environment reaches nobody", (name) => {
  const knowing = ALL.filter(
    ({ settings }) => name in environmentFor(settings, { [name]: "x" }, {}),
  );

  expect(knowing).toEqual([]);
});

test("what a program needs to run at all reaches every process", () => {
  const env = Object.fromEntries(PASSED_TO_ALL.map((name) => [name, "x"]));

  for (const { settings } of ALL) expect(environmentFor(settings, env, {})).toEqual(env);
});

test("what the supervisor decides wins over the environment, within the process's part", () => {
  const decided = { TATARA_PORT: "4000", TATARA_BUILD_TOKEN: "fresh" };
  const env = { TATARA_PORT: "8080", TATARA_BUILD_TOKEN: "stale", TATARA_HOST: "0.0.0.0" };

  expect(environmentFor(["TATARA_PORT", "TATARA_HOST"], env, decided)).toEqual({
    TATARA_PORT: "4000",
    TATARA_HOST: "0.0.0.0",
  });
});
