import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { fragmentsOf } from "../../src/yum/rpm/fragments.ts";
import type { Fragments } from "../../src/yum/rpm/fragments.ts";
import { readRpm } from "../../src/yum/rpm/read-rpm.ts";
import { DOCUMENTS } from "../../src/yum/layout.ts";
import type { DocumentName, YumLayout } from "../../src/yum/layout.ts";
import { documentParts, readServedView } from "../../src/yum/served-view.ts";
import type { ServedPlace } from "../../src/yum/served-view.ts";
import type { ListedPackage } from "../../src/yum/target-state.ts";

/** Makes a target's documents the simple way: all packages' XML, one after the other. */
export function naiveDocuments(layout: YumLayout) {
  const known = new Map<string, Promise<Fragments>>();
  const textOf = (listed: ListedPackage): Promise<Fragments> => {
    const found = known.get(listed.sha256) ?? read(layout, listed);
    known.set(listed.sha256, found);
    return found;
  };
  return async (packages: readonly ListedPackage[]): Promise<Record<DocumentName, string>> => {
    const texts = await Promise.all(packages.map(textOf));
    const documents = DOCUMENTS.map((name) => {
      const body = texts.map((text) => text[name]).join("");
      return [name, `${HEADS[name](packages.length)}${body}${FEET[name]}`] as const;
    });
    return Object.fromEntries(documents) as Record<DocumentName, string>;
  };
}

const XML = '<?xml version="1.0" encoding="UTF-8"?>\n';
const NS = "http://linux.duke.edu/metadata";
const HEADS = {
  primary: (count: number) =>
    `${XML}<metadata xmlns="${NS}/common" xmlns:rpm="${NS}/rpm" packages="${count}">\n`,
  filelists: (count: number) => `${XML}<filelists xmlns="${NS}/filelists" packages="${count}">\n`,
  other: (count: number) => `${XML}<otherdata xmlns="${NS}/other" packages="${count}">\n`,
};
const FEET = { primary: "</metadata>\n", filelists: "</filelists>\n", other: "</otherdata>\n" };

async function read(layout: YumLayout, listed: ListedPackage): Promise<Fragments> {
  const rpm = await readRpm(layout.package(listed));
  return fragmentsOf(rpm, { ...listed, mtimeSeconds: rpm.buildTime });
}

/** A served target's documents as a client gets them, every checksum and size of `repomd.xml` checked. */
export async function servedDocuments(
  layout: YumLayout,
  place: ServedPlace,
): Promise<Record<DocumentName, string> & { readonly revision: number }> {
  const served = await readServedView(layout, place);
  if (served === undefined) throw new Error(`${place.target} is not served.`);
  const repomd = await readFile(join(served.repodata, "repomd.xml"), "utf8");
  const documents: Partial<Record<DocumentName, string>> = {};
  for (const document of DOCUMENTS) {
    const entry = new RegExp(`<data type="${document}">.*?</data>`, "s").exec(repomd)?.[0] ?? "";
    const parts = documentParts(layout, served, document).map(async ({ path, start, bytes }) =>
      (await readFile(path)).subarray(start, start + bytes),
    );
    const members = await Promise.all(parts);
    const bytes = Buffer.concat(members);
    const fileName = /href="repodata\/(.*?)"/.exec(entry)?.[1] ?? "";
    // Node stops after the first frame of zstd.
    const isZstd = fileName.endsWith(".zst");
    const open = isZstd
      ? Buffer.concat(members.map((member) => zstdDecompressSync(member)))
      : gunzipSync(bytes);
    const facts = {
      checksum: /<checksum type="sha256">(.*?)</.exec(entry)?.[1],
      openChecksum: /<open-checksum type="sha256">(.*?)</.exec(entry)?.[1],
      size: /<size>(.*?)</.exec(entry)?.[1],
      openSize: /<open-size>(.*?)</.exec(entry)?.[1],
    };
    const is = {
      checksum: digest(bytes),
      openChecksum: facts.openChecksum && digest(open),
      size: String(bytes.length),
      openSize: String(open.length),
    };
    if (JSON.stringify(facts) !== JSON.stringify(is) || !fileName.startsWith(`${is.checksum}-`)) {
      throw new Error(`${document}: ${JSON.stringify({ facts, is, fileName })}`);
    }
    documents[document] = open.toString("utf8");
  }
  const revision = Number(/<revision>(\d+)</.exec(repomd)?.[1]);
  return { ...(documents as Record<DocumentName, string>), revision };
}

function digest(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
