import { join } from "node:path";

/** The three metadata files of a target, in the order in which `repomd.xml` names them. */
export const DOCUMENTS = ["primary", "filelists", "other"] as const;
export type DocumentName = (typeof DOCUMENTS)[number];

/**
 * Where everything is below `<data>/yum`. The publish worker writes it; the server and the command
 * line read it.
 */
export interface YumLayout {
  readonly yumDir: string;
  /** A signed RPM; its folder is called after its bytes. */
  package(file: { readonly sha256: string; readonly fileName: string }): string;
  /** Which signed file was made from an unsigned one. */
  signedRecord(unsignedSha256: string): string;
  /** A sealed segment's folder: `segment.json`, `index.bin` and a member for each document. */
  segment(id: string): string;
  /** A metadata file that is kept whole, such as `updateinfo`: named after its bytes. */
  extra(sha256: string): string;
  /** Holds one folder per generation. */
  generations(channel: string): string;
  generation(channel: string, number: number): string;
  /** `target` as it is served: with `-base` or `-updates` for a layer. */
  served(channel: string, number: number, target: string): string;
  /** What a restore found there and the database does not know: imported from there. */
  readonly recovered: string;
  /** What this publish worker is working on; emptied when it starts. */
  readonly staging: string;
  /** The public key file and what is known about it. */
  readonly keys: string;
}

export function yumLayout(yumDir: string): YumLayout {
  const byDigest = (folder: string, sha256: string): string =>
    join(yumDir, folder, sha256.slice(0, 2), sha256);
  const generations = (channel: string): string => join(yumDir, "channels", channel, "g");
  const generation = (channel: string, number: number): string =>
    join(generations(channel), String(number));
  return {
    yumDir,
    package: ({ sha256, fileName }) => join(byDigest("pool", sha256), fileName),
    signedRecord: (unsignedSha256) => `${byDigest("signed", unsignedSha256)}.json`,
    segment: (id) => byDigest("segments", id),
    extra: (sha256) => byDigest("extras", sha256),
    generations,
    generation,
    served: (channel, number, target) => join(generation(channel, number), target),
    recovered: join(yumDir, "recovered"),
    staging: join(yumDir, "staging"),
    keys: join(yumDir, "keys"),
  };
}
