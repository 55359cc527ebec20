import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { copyDatabase } from "../../../src/shared/database-copy.ts";

const START_MS = 30_000;

export interface Refusal {
  readonly exitCode: number | undefined;
  readonly said: string;
  /** Its rows and tables are those that they were. */
  readonly isUntouched: boolean;
}

/** Starts the older server on a copy of the newer one's database. */
export async function startOldServer(oldDir: string, database: string): Promise<Refusal> {
  const dataDir = await mkdtemp(join(tmpdir(), "tatara-downgrade-"));
  const path = join(dataDir, "tatara.db");
  try {
    await copyDatabase(database, path);
    const before = contentOf(path);
    const end = await runServer(oldDir, dataDir);
    return { ...end, isUntouched: contentOf(path) === before };
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function runServer(oldDir: string, dataDir: string) {
  const token = "a-token-that-nobody-will-ever-use";
  const env = {
    PATH: process.env["PATH"],
    TATARA_DATA_DIR: dataDir,
    TATARA_PORT: "0",
    TATARA_REDIS_URL: join(dataDir, "no-redis.sock"),
    TATARA_BUILD_TOKEN: token,
    TATARA_PUBLISH_TOKEN: token,
    TATARA_REPORT_TOKEN: token,
  };
  const script = join(oldDir, "src/server/main.ts");
  return await new Promise<{ exitCode: number | undefined; said: string }>((resolve) => {
    const options = { env, timeout: START_MS, killSignal: "SIGKILL" } as const;
    const child = execFile(process.execPath, [script], options, (_err, stdout, stderr) =>
      resolve({ exitCode: child.exitCode ?? undefined, said: stdout + stderr }),
    );
  });
}

function contentOf(path: string): string {
  const database = new DatabaseSync(path);
  const hash = createHash("sha256");
  try {
    const schema = database.prepare("SELECT name, sql FROM sqlite_master ORDER BY name").all();
    hash.update(JSON.stringify(schema));
    for (const { name, sql } of schema) {
      if (!String(sql).startsWith("CREATE TABLE") && !String(sql).startsWith("create table"))
        continue;
      hash.update(JSON.stringify(database.prepare(`SELECT * FROM "${String(name)}"`).all()));
    }
    return hash.digest("hex");
  } finally {
    database.close();
  }
}
