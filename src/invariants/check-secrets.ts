import { open, readdir } from "node:fs/promises";
import { join, relative } from "node:path";
import { findingsOf } from "./finding.ts";
import type { Finding } from "./finding.ts";
import { spellingsOf } from "./spelled-secret.ts";
import type { KnownSecret, Look } from "./world.ts";

const READ_BYTES = 2 ** 20;
const finding = findingsOf("I7");

interface Needle {
  readonly secret: KnownSecret;
  readonly spellings: readonly Buffer[];
}

/**
 * I7: no known secret stands where somebody reads. Looked at: the whole data folder (database, logs,
 * artifacts, packages, spools, operators' logs), Redis, the history of our images, and what HTTP
 * answers. Compressed bytes, such as an RPM's payload, are searched as they are.
 */
export async function checkSecrets(look: Look): Promise<readonly Finding[]> {
  const needles = look.secrets
    .map((secret) => ({ secret, spellings: spellingsOf(secret.value) }))
    .filter(({ spellings }) => spellings.length > 0);
  if (needles.length === 0) return [];
  const found: Finding[] = [];
  const note = (where: string, leaked: Iterable<KnownSecret>): void => {
    for (const { name, home } of leaked) if (!home?.includes(where)) found.push(leak(name, where));
  };
  const longest = Math.max(...needles.flatMap(({ spellings }) => spellings.map((b) => b.length)));
  // One for all files: most are small, and a new one for each would cost more than the search.
  const room = Buffer.allocUnsafe(READ_BYTES + longest);
  for await (const path of filesBelow(look.dataDir)) {
    look.signal.throwIfAborted();
    note(relative(look.dataDir, path), await inFile(path, needles, { room, longest }));
  }
  for await (const { name, bytes } of elsewhere(look)) note(name, inBytes(bytes, needles));
  return found;
}

async function* elsewhere({ queues, engine, answers }: Look) {
  if (queues !== undefined) {
    for await (const { name, bytes } of queues.contents()) {
      yield { name: `Redis key ${name}`, bytes: Buffer.concat([Buffer.from(name), bytes]) };
    }
  }
  for (const { image, text } of (await engine?.imageHistories()) ?? []) {
    yield { name: `history of image ${image}`, bytes: Buffer.from(text) };
  }
  if (answers !== undefined) {
    for await (const { name, bytes } of answers()) yield { name: `answer of ${name}`, bytes };
  }
}

function leak(name: string, where: string): Finding {
  return finding({
    what: `the secret ${name} can be read`,
    where,
    evidence: "its value, or a spelling of it, stands there",
    wayOut: `replace the secret ${name} now, then remove it from there`,
    settlesMs: 0,
  });
}

/** Sockets and what vanishes meanwhile are passed over. */
async function* filesBelow(dir: string): AsyncGenerator<string> {
  const entries = await readdir(dir, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path);
    else if (entry.isFile()) yield path;
  }
}

async function inFile(
  path: string,
  needles: readonly Needle[],
  { room, longest }: { readonly room: Buffer; readonly longest: number },
): Promise<ReadonlySet<KnownSecret>> {
  const found = new Set<KnownSecret>();
  // What the last part ended with: a secret may lie across the border.
  let kept = 0;
  try {
    await using file = await open(path);
    for (;;) {
      const { bytesRead } = await file.read(room, kept, READ_BYTES);
      if (bytesRead === 0) break;
      const bytes = room.subarray(0, kept + bytesRead);
      for (const secret of inBytes(bytes, needles)) found.add(secret);
      kept = Math.min(longest - 1, bytes.length);
      bytes.copyWithin(0, bytes.length - kept);
    }
  } catch {
    // It was removed while we read.
  }
  return found;
}

function inBytes(bytes: Uint8Array, needles: readonly Needle[]): ReadonlySet<KnownSecret> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const leaked = needles.filter(({ spellings }) => spellings.some((one) => buffer.includes(one)));
  return new Set(leaked.map(({ secret }) => secret));
}
