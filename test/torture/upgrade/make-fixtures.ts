import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, request as ask } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createInterface } from "node:readline";
import { buffer } from "node:stream/consumers";
import { apiClient } from "../../../src/cli/api-client.ts";
import { initGitRepo } from "../../../src/cli/git-repo.ts";
import { copyDatabase } from "../../../src/shared/database-copy.ts";
import { startRedis } from "../../support/a-redis.ts";
import { until } from "../../support/until.ts";
import { previousCommit, unpack } from "./previous-version.ts";

/**
 * `node test/torture/upgrade/make-fixtures.ts`: lets the version before build something, and keeps its
 * database (one build over, one running, two waiting) and what its worker said meanwhile.
 */
const FIXTURES = resolve(import.meta.dirname, "../../fixtures/upgrade");
const TOKEN = "a-token-of-the-version-before";
const never = new AbortController().signal;

/** One message of a worker and its answer. */
interface Said {
  readonly method: string;
  readonly path: string;
  readonly lease: string;
  readonly json: unknown;
  readonly status: number;
  readonly answer: unknown;
}

const commit = await previousCommit();
if (typeof commit !== "string") throw new Error(commit.absent);
const dir = await mkdtemp(join(tmpdir(), "tatara-fixtures-"));
const oldDir = join(dir, "old");
const dataDir = join(dir, "data");
await unpack(commit, oldDir);
const redis = await startRedis();
const common = {
  PATH: process.env["PATH"],
  TATARA_DATA_DIR: dataDir,
  TATARA_REDIS_URL: redis.url,
};
const children: ChildProcess[] = [];
const serverUrl = await start("src/server/main.ts", {
  TATARA_PORT: "0",
  TATARA_ADMIN_TOKEN: TOKEN,
  TATARA_BUILD_TOKEN: TOKEN,
  TATARA_PUBLISH_TOKEN: TOKEN,
  TATARA_REPORT_TOKEN: TOKEN,
});
const said: Said[] = [];
const recorder = await record(serverUrl, said);
await start("workers/build/main.ts", {
  TATARA_SERVER_URL: recorder.url,
  TATARA_WORKER_TOKEN: TOKEN,
  TATARA_WORKER_NAME: "before",
  TATARA_BUILD_SLOTS: "1",
});

const api = apiClient({ url: serverUrl, token: TOKEN, signal: never });
const repo = await initGitRepo(join(dir, "repo"), {
  path: process.env["PATH"] ?? "",
  author: "Before",
  signal: never,
});
const stateOf = (number: number) =>
  api.build({ repo: "acme/before", number }).then(
    ({ state }) => state,
    () => "absent",
  );
const push = async (command: string) => {
  await repo.commit({ ".tatara.yml": `image: tatara/base\ntest: ${command}\n` }, command);
  await repo.push({ url: `${serverUrl}/git/acme/before.git`, token: TOKEN }, ["main"]);
};
await push("echo one");
await until(() => stateOf(1), "passed", { deadlineMs: 120_000, everyMs: 200 });
const messages = [...said];
await push("sleep 600");
await until(() => stateOf(2), "running", { deadlineMs: 60_000, everyMs: 200 });
await push("echo three");
await push("echo four");
await copyDatabase(join(dataDir, "tatara.db"), join(dir, "copy.db"));
await writeFile(join(FIXTURES, "database-0007.sql"), dump(join(dir, "copy.db")));
await writeFile(join(FIXTURES, "protocol-3.json"), `${JSON.stringify(messages, undefined, 1)}\n`);

for (const child of children.toReversed()) {
  child.kill("SIGTERM");
  await once(child, "exit");
}
recorder.close();
await redis[Symbol.asyncDispose]();
await rm(dir, { recursive: true, force: true });

async function start(script: string, env: Record<string, string>): Promise<string> {
  const child = spawn(process.execPath, [join(oldDir, script)], {
    env: { ...common, ...env },
    stdio: ["ignore", "pipe", "ignore"],
  });
  children.push(child);
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith('{"ready":true')) return (JSON.parse(line) as { url?: string }).url ?? "";
  }
  throw new Error(`${script} did not start.`);
}

/** Hands everything on, and remembers what is JSON. */
async function record(to: string, into: Said[]) {
  const server = createServer((request, response) => {
    void (async () => {
      const body = await buffer(request);
      const { method = "GET", url: path = "/", headers } = request;
      const onward = ask(to + path, { method, headers });
      onward.end(body);
      const [answered] = (await once(onward, "response")) as [import("node:http").IncomingMessage];
      const bytes = await buffer(answered);
      response.writeHead(answered.statusCode ?? 500, answered.headers).end(bytes);
      if (!path.startsWith("/worker/v1/") || path.includes("/log")) return;
      const isJson = headers["content-type"] === "application/json";
      into.push({
        method,
        path,
        lease: String(headers["x-tatara-lease"] ?? ""),
        json: isJson ? (JSON.parse(body.toString()) as unknown) : null,
        status: answered.statusCode ?? 0,
        answer: bytes.length === 0 ? null : (JSON.parse(bytes.toString()) as unknown),
      });
    })().catch(() => response.destroy());
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, close: () => server.close() };
}

/** The database as statements that make it again. */
function dump(path: string): string {
  const database = new DatabaseSync(path, { readOnly: true });
  const made = database
    .prepare("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")
    .all() as { type: string; name: string; sql: string }[];
  const lines = ["PRAGMA foreign_keys=OFF;", "BEGIN;"];
  for (const { type, name, sql } of made) {
    if (name.startsWith("sqlite_")) continue;
    lines.push(`${sql};`);
    if (type !== "table") continue;
    const columns = (database.prepare(`PRAGMA table_info("${name}")`).all() as { name: string }[])
      .map((column) => `quote("${column.name}")`)
      .join(" || ', ' || ");
    const rows = database.prepare(`SELECT ${columns} AS row FROM "${name}"`).all();
    lines.push(...rows.map(({ row }) => `INSERT INTO "${name}" VALUES (${String(row)});`));
  }
  database.close();
  return `${[...lines, "COMMIT;"].join("\n")}\n`;
}
