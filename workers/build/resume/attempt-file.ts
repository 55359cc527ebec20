import { createHmac, randomBytes } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { BuildGrant } from "../../../src/shared/build-messages.ts";

const FILE = "attempt.json";

const attemptFile = z.object({
  v: z.literal(1),
  jobId: z.string(),
  attempt: z.number().int(),
  /** Which life of the worker works on it, from 1. */
  life: z.number().int(),
  token: z.string(),
  /** Made for the next lease, and told to the server before this one was forgotten. */
  nextToken: z.string().nullable(),
  /** Of the machine: after another boot no container is what it was. */
  bootId: z.string(),
  /** By these one knows whether the job's secrets are still those that its containers have. */
  salt: z.string(),
  secretDigests: z.record(z.string(), z.string()),
});

/** Whose an attempt's folder is: enough to come back to it, and nothing that is secret but its token. */
export type AttemptFile = z.infer<typeof attemptFile>;

export function attemptOf(
  { jobId, lease, secrets }: Pick<BuildGrant, "jobId" | "lease" | "secrets">,
  bootId: string,
): AttemptFile {
  const { token, attempt } = lease;
  const salt = randomBytes(16).toString("hex");
  const secretDigests = digestsOf(secrets, salt);
  return { v: 1, jobId, attempt, life: 1, token, nextToken: null, bootId, salt, secretDigests };
}

function digestsOf(secrets: BuildGrant["secrets"], salt: string): Record<string, string> {
  return Object.fromEntries(
    secrets.map(({ name, value }) => [
      name,
      createHmac("sha256", salt).update(value).digest("hex"),
    ]),
  );
}

/**
 * Are the secrets of this grant those of the attempt's first one? It may have fewer, since a job that
 * is planned gets only what it uses; but each that a container was `given`.
 */
export function hasSameSecrets(
  { salt, secretDigests }: Pick<AttemptFile, "salt" | "secretDigests">,
  secrets: BuildGrant["secrets"],
  given: readonly string[],
): boolean {
  const now = digestsOf(secrets, salt);
  return (
    Object.entries(now).every(([name, digest]) => secretDigests[name] === digest) &&
    given.every((name) => now[name] !== undefined)
  );
}

/** Whole or not at all. */
export async function writeAttempt(dir: string, attempt: AttemptFile): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const path = join(dir, FILE);
  await writeFile(`${path}.new`, JSON.stringify(attempt), { mode: 0o600 });
  await rename(`${path}.new`, path);
}

/** Undefined: there is none that can be read. */
export async function readAttempt(dir: string): Promise<AttemptFile | undefined> {
  const text = await readFile(join(dir, FILE), "utf8").catch(() => "");
  if (text === "") return undefined;
  try {
    return attemptFile.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** Tells this boot of the machine from every other. */
export async function readBootId(): Promise<string> {
  const id = await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => "");
  // Without one nothing is ever the same boot.
  return id.trim() || randomBytes(16).toString("hex");
}
