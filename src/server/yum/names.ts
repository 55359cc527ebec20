import { viewOf } from "../../yum/target-state.ts";

/** What may stand in an address below `/yum`; nothing else reaches a path. */
const TARGET =
  /^[a-z0-9][a-z0-9-]{0,30}(?:\.\d{1,4})?\.[a-z0-9_]{1,20}(?:-(?:source|debug))?(?:-(?:base|updates))?$/;
const MINOR_RELEASE = /^([a-z][a-z-]*\d+)\.\d+(\.[a-z0-9_]+(?:-[a-z-]+)?)$/;
const SIBLING = /-(?:source|debug)$/;
const NUMBER = /^[1-9]\d{0,14}$/;
const SHA256 = /^[0-9a-f]{64}$/;
const RPM = /^[A-Za-z0-9][A-Za-z0-9._+~^-]{0,250}\.rpm$/;
const HASHED = /^[0-9a-f]{64}-[A-Za-z0-9][A-Za-z0-9._-]{0,80}$/;
const INDEX = /^repomd\.xml(?:\.asc)?$/;
const EARLIER_SIGNATURE = /^([1-9]\d{0,14})-repomd\.xml\.asc$/;

/** A target, with or without a layer, as an address may spell it. */
export const isServedName = (text: string): boolean => TARGET.test(text);
export const isGenerationNumber = (text: string): boolean => NUMBER.test(text);
export const isPackageFile = (sha256: string, file: string): boolean =>
  SHA256.test(sha256) && RPM.test(file);
/** A metadata file whose name begins with its digest. */
export const isHashedFile = (text: string): boolean => HASHED.test(text);
export const isIndexFile = (text: string): boolean => INDEX.test(text);

/** The generation that `<n>-repomd.xml.asc` asks for. */
export function earlierSignature(file: string): number | undefined {
  const number = EARLIER_SIGNATURE.exec(file)?.[1];
  return number === undefined ? undefined : Number(number);
}

/** `-source` or `-debug` at the end of a target's name, or nothing. */
export function siblingOf(target: string): string {
  return SIBLING.exec(target)?.[0] ?? "";
}

export function isLayer(served: string): boolean {
  return viewOf(served).view !== "full";
}

/**
 * Which of a channel's targets an address means. RHEL expands `$releasever` to `9.4` where its
 * rebuilds say `9`; and a layer that is gone, or not there yet, is answered by the whole target, so
 * that a host with an older `.repo` file never loses packages.
 */
export function findServed(
  asked: string,
  targets: Readonly<Record<string, number>>,
): string | undefined {
  if (!isServedName(asked)) return undefined;
  const [, dist, arch] = MINOR_RELEASE.exec(asked) ?? [];
  const spellings = dist === undefined ? [asked] : [asked, `${dist}${arch}`];
  return spellings
    .flatMap((name) => [name, viewOf(name).target])
    .find((name) => Object.hasOwn(targets, name));
}
