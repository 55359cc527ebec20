import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Verified } from "../../yum/verify-target.ts";
import { forEachOf } from "./for-each-of.ts";
import { packagesIn, problemsOf, readServed } from "./served-target.ts";
import type { ServedPackage, ServedTarget } from "./served-target.ts";

export interface VerifyServedOptions {
  /** Throws if the signature is bad. */
  readonly verifySignature: (path: string, signature: string) => Promise<void>;
  readonly onProgress: (done: number) => void;
  readonly signal: AbortSignal;
}

const FETCHES_AT_ONCE = 4;
const PROBLEMS_MAX = 100;

/** Fetches everything that a host may fetch, and compares it with what was signed. */
export async function verifyServed(
  target: ServedTarget,
  { verifySignature, onProgress, signal }: VerifyServedOptions,
): Promise<Verified> {
  const problems: string[] = [];
  const check = async (what: string, work: () => Promise<readonly string[]>): Promise<void> => {
    if (problems.length >= PROBLEMS_MAX) return;
    const found = await work().catch((err: unknown) => {
      signal.throwIfAborted();
      return [err instanceof Error ? err.message : String(err)];
    });
    problems.push(...found.map((problem) => `${what}: ${problem}`));
  };

  await check("repomd.xml.asc", async () => {
    await checkSignature(target, verifySignature);
    return [];
  });
  let primary: { bytes: Uint8Array<ArrayBuffer>; href: string } | undefined;
  for (const file of target.files) {
    await check(file.type, async () => {
      const bytes = await readServed(target.base + file.href, file.sizeBytes + 1, signal);
      const found = await problemsOf(file, bytes);
      if (file.type === "primary" && found.length === 0) primary = { bytes, href: file.href };
      return found;
    });
  }
  let packages = 0;
  if (primary !== undefined) {
    const listed = packagesIn(primary.bytes, primary.href);
    await forEachOf(listed, FETCHES_AT_ONCE, async (one) => {
      await check(one.href, () => checkPackage(target, one, signal));
      packages += 1;
      onProgress(packages);
    });
  }
  return { packages, problems };
}

async function checkSignature(
  { repomd, signature }: ServedTarget,
  verifySignature: VerifyServedOptions["verifySignature"],
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "tatara-verify-"));
  try {
    const path = join(folder, "repomd.xml");
    await writeFile(path, repomd);
    await writeFile(`${path}.asc`, signature);
    await verifySignature(path, `${path}.asc`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function checkPackage(
  { base }: ServedTarget,
  { href, sha256, sizeBytes }: ServedPackage,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const bytes = await readServed(base + href, sizeBytes + 1, signal);
  const found = createHash("sha256").update(bytes).digest("hex");
  return found === sha256 ? [] : [`sha256 is ${found}, and should be ${sha256}.`];
}
