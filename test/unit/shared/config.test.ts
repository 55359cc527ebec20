import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  ConfigError,
  readBuildWorkerConfig,
  readClientConfig,
  readPublishWorkerConfig,
  readReportWorkerConfig,
  readServerConfig,
  readSupervisorConfig,
} from "../../../src/shared/config.ts";
import type { Env } from "../../../src/shared/config.ts";
import { namesReadBy } from "../../../src/shared/unknown-settings.ts";

const READERS = {
  server: readServerConfig,
  build: readBuildWorkerConfig,
  publish: readPublishWorkerConfig,
  report: readReportWorkerConfig,
  supervisor: readSupervisorConfig,
  client: readClientConfig,
} as const satisfies Record<string, (env: Env) => object>;
type ReaderName = keyof typeof READERS;

/** Who reads what stands under each heading of the file. */
const GROUPS = {
  "all processes": ["server", "build", "publish", "report"],
  server: ["server"],
  "every worker": ["build", "publish", "report"],
  "build worker": ["build"],
  "report worker": ["report"],
  "command line": ["client"],
} as const satisfies Record<string, readonly ReaderName[]>;

const SECRET = "0123456789abcdef";
/** What has no default and must be set. */
const REQUIRED: Env = {
  TATARA_REDIS_URL: "redis://localhost",
  TATARA_BUILD_TOKEN: SECRET,
  TATARA_PUBLISH_TOKEN: SECRET,
  TATARA_REPORT_TOKEN: SECRET,
  TATARA_WORKER_TOKEN: SECRET,
};

const settings = parseExample();
const readers = Object.entries(READERS) as [ReaderName, (env: Env) => object][];

test("days to keep builds are 0 for ever, or at least a week", () => {
  const daysOf = (text: string) =>
    readServerConfig({ ...REQUIRED, TATARA_KEEP_BUILDS_DAYS: text }).keepBuildsDays;

  expect([daysOf("0"), daysOf("7"), daysOf("")]).toEqual([0, 7, 365]);
  expect(() => daysOf("6")).toThrow(
    "TATARA_KEEP_BUILDS_DAYS=6: a whole number from 7 to 36500, or 0, is expected",
  );
  expect(() => daysOf("-1")).toThrow("TATARA_KEEP_BUILDS_DAYS=-1: a whole number");
});

test("a Redis is a host, a host behind TLS or a socket; what is refused is not repeated", () => {
  const read = (text: string) => readServerConfig({ ...REQUIRED, TATARA_REDIS_URL: text }).redisUrl;

  for (const good of ["redis://h:1/2", "rediss://u:p@h", "/run/redis.sock", "unix:///run/r.sock"])
    expect(read(good)).toBe(good);
  for (const bad of ["http://:a-password@h:6379", "h:6379", "redis://", "redis.sock"]) {
    expect(() => read(bad)).toThrow("TATARA_REDIS_URL: redis://host:6379, rediss://host:6379");
    expect(() => read(bad)).not.toThrow("a-password");
  }
});

test("the command line asks the server of the same settings, unless it is told another", () => {
  const urlWith = (env: Env) => readClientConfig(env).url;

  expect(urlWith({})).toBe("http://127.0.0.1:8080");
  expect(urlWith({ TATARA_PORT: "18096" })).toBe("http://127.0.0.1:18096");
  expect(urlWith({ TATARA_PORT: "18096", TATARA_HOST: "0.0.0.0" })).toBe("http://127.0.0.1:18096");
  expect(urlWith({ TATARA_HOST: "10.0.0.5" })).toBe("http://10.0.0.5:8080");
  expect(urlWith({ TATARA_PORT: "1", TATARA_URL: "https://ci.example" })).toBe(
    "https://ci.example",
  );
});

describe(".env.example", () => {
  test("has every setting that any process reads, once, and nothing else", () => {
    const read = new Set(readers.flatMap(([, reader]) => namesReadBy(reader)));

    const listed = settings.map(({ name }) => name);
    expect(listed.toSorted()).toEqual([...read].toSorted());
  });

  test.each(settings)("explains $name in one sentence", ({ explanation }) => {
    expect(explanation).toMatch(/^[A-Z`a-z].+\.$/);
  });

  test.each(settings)("has $name under the processes that read it", ({ name, group }) => {
    const expected: readonly ReaderName[] = GROUPS[group as keyof typeof GROUPS];

    expect(expected).toBeDefined();
    for (const reader of expected) expect(namesReadBy(READERS[reader])).toContain(name);
  });

  test.each(readers)("has the defaults of the reader %s", (_name, reader) => {
    const defaults = settings.filter(({ fallback }) => fallback !== "");
    const written = Object.fromEntries(defaults.map(({ name, fallback }) => [name, fallback]));

    expect(reader({ ...REQUIRED, ...written })).toEqual(reader(REQUIRED));
  });

  test.each(settings.filter(({ fallback }) => fallback === ""))(
    "leaves $name empty because it has no default",
    ({ name }) => {
      for (const [, reader] of readers) {
        for (const value of unsetValues(reader, name))
          expect([undefined, "", []]).toContainEqual(value);
      }
    },
  );
});

describe("a reader", () => {
  test("reports everything that is wrong at once", () => {
    const env = {
      ...REQUIRED,
      TATARA_PORT: "many",
      TATARA_PUBLIC_URL: "ci",
      TATARA_BUILD_TOKEN: "x",
    };

    expect(() => readServerConfig(env)).toThrow(ConfigError);
    expect(problemsOf(() => readServerConfig(env))).toEqual([
      "TATARA_PORT=many: a whole number from 0 to 65535 is expected",
      "TATARA_PUBLIC_URL=ci: an address such as https://ci.example.com is expected",
      "TATARA_BUILD_TOKEN is shorter than 16 characters",
    ]);
  });

  test("says that a secret is missing without a default for it", () => {
    expect(problemsOf(() => readReportWorkerConfig({ TATARA_REDIS_URL: "/redis.sock" }))).toEqual([
      "TATARA_WORKER_TOKEN is not set; it has no default",
    ]);
  });

  test("takes the base repositories of each target", () => {
    const text =
      "el9.x86_64=https://a.example/os/ http://b.example/x ; el9.aarch64 = file:///srv/el9;";

    const config = readPublishWorkerConfig({ ...REQUIRED, TATARA_BASE_REPOSITORIES: text });

    expect(config.baseRepositories).toEqual([
      { target: "el9.x86_64", urls: ["https://a.example/os/", "http://b.example/x"] },
      { target: "el9.aarch64", urls: ["file:///srv/el9"] },
    ]);
  });

  test.each([
    ["el9.x86_64=", "el9.x86_64=: target=address is expected, such as el9.x86_64=https://…"],
    [
      "https://a.example",
      "https://a.example: target=address is expected, such as el9.x86_64=https://…",
    ],
    ["el9.x86_64=/srv", "/srv: an address with https:, http: or file: is expected"],
    [
      "el9.x86_64=https://me:pw@a.b/",
      "el9.x86_64 has an address with a user; it would stand in warnings",
    ],
    ["el9.x86_64=https://", "https://: an address with https:, http: or file: is expected"],
  ])("refuses the base repositories %s", (text, problem) => {
    const env = { ...REQUIRED, TATARA_BASE_REPOSITORIES: text };

    expect(problemsOf(() => readPublishWorkerConfig(env))).toEqual([
      `TATARA_BASE_REPOSITORIES: ${problem}`,
    ]);
  });

  test("takes units from the names", () => {
    const config = readBuildWorkerConfig({ ...REQUIRED, TATARA_STEP_TIMEOUT_SECONDS: "90" });

    expect(config.stepTimeoutMs).toBe(90_000);
    expect(Object.isFrozen(config)).toBe(true);
  });
});

interface Setting {
  readonly name: string;
  readonly fallback: string;
  readonly explanation: string;
  readonly group: string;
}

/** An explanation, and below it the setting with its default behind a mark. */
function parseExample(): readonly Setting[] {
  const path = join(import.meta.dirname, "../../../.env.example");
  const lines = readFileSync(path, "utf8").split("\n");
  let group = "";
  return lines.flatMap((line, index) => {
    group = /^# === (.+) ===$/.exec(line)?.[1] ?? group;
    const [, name, fallback] = /^#?([A-Z][A-Z0-9_]+)=(.*)$/.exec(line) ?? [];
    if (name === undefined || fallback === undefined) return [];
    const explanation = /^# (.+)$/.exec(lines[index - 1] ?? "")?.[1] ?? "";
    return [{ name, fallback, explanation, group }];
  });
}

/** An address, a name and a secret, a target's address: one of them fits whatever has no default. */
const PROBES = [
  "https://probe.example.com",
  "probe-probe-probe",
  "el9.x86_64=https://probe.example.com",
] as const;

/** The values, with the setting unset, of all that it decides. */
function unsetValues(reader: (env: Env) => object, name: string): readonly unknown[] {
  if (problemsOf(() => reader({ ...REQUIRED, [name]: undefined })).length > 0) return [];
  const unset = new Map(Object.entries(reader({ ...REQUIRED, [name]: undefined })));
  const probe = PROBES.find((value) => isAccepted(() => reader({ ...REQUIRED, [name]: value })));
  const set = Object.entries(reader({ ...REQUIRED, [name]: probe }));
  return set
    .filter(([key, value]) => unset.get(key) !== value && !isSame(unset.get(key), value))
    .map(([key]) => unset.get(key));
}

function isAccepted(read: () => unknown): boolean {
  return problemsOf(read).length === 0;
}

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function problemsOf(read: () => unknown): readonly string[] {
  try {
    read();
    return [];
  } catch (err) {
    if (err instanceof ConfigError) return err.problems;
    throw err;
  }
}
