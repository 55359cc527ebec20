import { join } from "node:path";
import type { Published } from "./check-identities.ts";
import type { InspectedPackage } from "./inspect-rpm.ts";
import type { Publish, ReadyPackage, SignedPackage } from "./publish-context.ts";

/** The signed form of each package: found if there is one, for a content is signed only once. */
export async function signPackages(
  inspected: readonly InspectedPackage[],
  published: Published,
  publish: Publish,
  signal: AbortSignal,
): Promise<readonly ReadyPackage[]> {
  const signing = new Map<string, Promise<SignedPackage>>();
  const ready = inspected.map(async (rpm) => {
    const { sha256 } = rpm.built;
    const signed = signing.get(sha256) ?? signOnce(rpm, published.get(sha256), publish, signal);
    // The same file may be listed in several targets.
    signing.set(sha256, signed);
    return { ...rpm, signed: await signed };
  });
  return await Promise.all(ready);
}

async function signOnce(
  { built, path }: InspectedPackage,
  publishedSha256: string | undefined,
  { pool, signer, folder, grant, logger }: Publish,
  signal: AbortSignal,
): Promise<SignedPackage> {
  const { fileName, sha256: unsignedSha256 } = built;
  const found =
    publishedSha256 === undefined
      ? // An attempt that died left it: to sign again would give the same content a second name.
        await pool.findSigned(unsignedSha256)
      : await pool.require({ sha256: publishedSha256, fileName });
  if (found) return { ...found, path: pool.pathOf(found), isPooled: true };

  const staged = join(folder, `${unsignedSha256}.signed`);
  const file = await signer.signPackage(path, staged, signal);
  const facts = { publishId: grant.publishId, fileName, unsignedSha256, sha256: file.sha256 };
  logger.info({ ...facts, key: signer.fingerprint }, "Package signed");
  return { ...file, fileName, path: staged, isPooled: false };
}
