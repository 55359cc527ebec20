import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * Channels and targets, as `dev/el9.x86_64`, whose newest metadata was signed by this key: hosts that
 * get the key file without it would refuse them.
 */
export async function metadataSignedBy(
  yumDir: string,
  fingerprint: string,
): Promise<readonly string[]> {
  const channels = await namesIn(join(yumDir, "channels"));
  const found = await Promise.all(
    channels.map(async (channel) => {
      const signatures = await newestSignatures(join(yumDir, "channels", channel, "g"));
      const signed = [...signatures].filter(([, text]) => isBy(text, fingerprint));
      return signed.map(([target]) => `${channel}/${target}`);
    }),
  );
  return found.flat().toSorted();
}

/** By target: a generation holds the metadata of those that it changed. */
async function newestSignatures(generationsDir: string): Promise<ReadonlyMap<string, string>> {
  const numbers = (await namesIn(generationsDir)).map(Number).filter(Number.isSafeInteger);
  const newest = new Map<string, string>();
  for (const number of numbers.toSorted((a, b) => b - a)) {
    const folder = join(generationsDir, String(number));
    for (const target of await namesIn(folder)) {
      if (newest.has(target)) continue;
      const path = join(folder, target, "repodata", "repomd.xml.asc");
      const text = await readFile(path, "latin1").catch(() => undefined); // Not every name is a target.
      if (text !== undefined) newest.set(target, text);
    }
  }
  return newest;
}

/** The issuer's fingerprint is among the signed facts of each signature that we make. */
function isBy(armoured: string, fingerprint: string): boolean {
  const lines = armoured.split("\n").filter((line) => !/^[-=]|^$/.test(line));
  return Buffer.from(lines.join(""), "base64").includes(Buffer.from(fingerprint, "hex"));
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return await readdir(folder).catch(() => []); // Before the first publish there is none.
}
