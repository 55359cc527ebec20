import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import { pathInRepo } from "../domain/repo-path.ts";
import type { ApiClient } from "./api-client.ts";
import { CommandError, EXIT } from "./exit-codes.ts";

const keptFile = z.object({
  path: z.string(),
  step: z.string(),
  job: z.object({ id: z.string(), name: z.string() }),
  sizeBytes: z.number(),
  sha256: z.string(),
  isExecutable: z.boolean(),
  expiresAt: z.string(),
});

/** A file that a build keeps. */
export type ApiKeptFile = z.infer<typeof keptFile>;

export async function keptFiles(api: ApiClient, buildId: string): Promise<readonly ApiKeptFile[]> {
  const response = await api.request(`/api/builds/${encodeURIComponent(buildId)}/kept`);
  return z.object({ files: z.array(keptFile) }).parse(await response.json()).files;
}

/** Downloads a file to `dir/path`, under its name only once every byte of it is right. */
export async function downloadKept(
  api: ApiClient,
  buildId: string,
  file: ApiKeptFile,
  { dir, path }: { readonly dir: string; readonly path: string },
): Promise<string> {
  // The server's word becomes a path of this machine.
  if (pathInRepo(path) !== path) {
    throw new CommandError(EXIT.errored, `The server names a file that leads elsewhere: ${path}`);
  }
  const target = join(dir, path);
  const parts = [file.job.id, file.step, ...file.path.split("/")].map(encodeURIComponent);
  const address = `/api/builds/${encodeURIComponent(buildId)}/kept/${parts.join("/")}`;
  const { body } = await api.request(address);
  if (body === null) throw new CommandError(EXIT.errored, "The server sent no file.");
  await mkdir(dirname(target), { recursive: true });
  const part = `${target}.part`;
  const hash = createHash("sha256");
  const hashing = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      hash.update(chunk);
      done(null, chunk);
    },
  });
  try {
    const mode = file.isExecutable ? 0o755 : 0o644;
    await pipeline(Readable.fromWeb(body as never), hashing, createWriteStream(part, { mode }));
    if (hash.digest("hex") !== file.sha256) {
      throw new CommandError(EXIT.errored, `${path} did not arrive as it was built.`);
    }
    await rename(part, target);
  } finally {
    await rm(part, { force: true });
  }
  return target;
}
