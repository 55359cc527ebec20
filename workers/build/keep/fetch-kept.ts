import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { InfraFault } from "../../../src/domain/faults.ts";
import { keptByTestsAnswer } from "../../../src/shared/build-messages.ts";
import { PATHS } from "../../../src/shared/protocol.ts";
import type { ServerClient } from "../../../src/shared/server-client.ts";
import type { KeptCopy } from "./job-kept.ts";

/** Files that tests kept in another job of the build, which has passed; its packages may need them. */
export async function fetchKept(
  client: ServerClient,
  {
    jobId,
    leaseToken,
    dir,
  }: { readonly jobId: string; readonly leaseToken: string; readonly dir: string },
  signal: AbortSignal,
): Promise<readonly KeptCopy[]> {
  const call = { path: PATHS.keptByTests(jobId), method: "GET", leaseToken } as const;
  const { files } = await client.send({ ...call, answer: keptByTestsAnswer }, signal);
  if (files.length > 0) await mkdir(dir, { recursive: true });
  const copies = new Map<string, string>();
  for (const { sha256 } of files) {
    if (copies.has(sha256)) continue;
    const path = join(dir, sha256);
    await download(
      client,
      { from: PATHS.artifact(jobId, sha256), leaseToken, path, sha256 },
      signal,
    );
    copies.set(sha256, path);
  }
  return files.map((file) => ({ ...file, diskPath: copies.get(file.sha256) ?? "" }));
}

async function download(
  client: ServerClient,
  {
    from,
    leaseToken,
    path,
    sha256,
  }: {
    readonly from: string;
    readonly leaseToken: string;
    readonly path: string;
    readonly sha256: string;
  },
  signal: AbortSignal,
): Promise<void> {
  const answer = await client.open(from, leaseToken, signal);
  if (!answer.ok || answer.body === null) {
    throw new InfraFault("INTERNAL", `The server has no file ${sha256} (${answer.status}).`);
  }
  const hash = createHash("sha256");
  const hashing = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      hash.update(chunk);
      done(null, chunk);
    },
  });
  const body = Readable.fromWeb(answer.body as never);
  await pipeline(body, hashing, createWriteStream(path, { mode: 0o600 }), { signal });
  if (hash.digest("hex") === sha256) return;
  throw new InfraFault("ARTIFACT_CHANGED", `A kept file arrived with another content: ${sha256}.`);
}
