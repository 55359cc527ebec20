import { execFile } from "node:child_process";
import { isUtf8 } from "node:buffer";
import { createHash } from "node:crypto";
import { copyFile, mkdir, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";
import { fragmentsOf } from "../../src/yum/rpm/fragments.ts";
import type { Fragments } from "../../src/yum/rpm/fragments.ts";
import { readRpm, RpmRefused } from "../../src/yum/rpm/read-rpm.ts";
import { canonicalXml } from "./canonical-xml.ts";

const exec = promisify(execFile);
const DOCUMENTS = ["primary", "filelists", "other"] as const;
const FORM = ["--no-database", "--simple-md-filenames", "--checksum", "sha256", "--quiet"];

export interface ComparedRpm {
  readonly path: string;
  /** `not-xml` if createrepo_c wrote what no client can read. */
  readonly theirs: Fragments | "not-xml" | undefined;
  readonly ours: Fragments | RpmRefused;
  /** Of the canonical forms, document by document. Empty if they are equal, or both refuse. */
  readonly differences: readonly string[];
}

/** What createrepo_c and we make of the same files. Files of the same content are compared once. */
export async function compareWithCreaterepo(
  paths: readonly string[],
): Promise<readonly ComparedRpm[]> {
  const folder = await mkdtemp(join(tmpdir(), "tatara-equality-"));
  try {
    const placed = new Map<string, { readonly path: string; readonly at: string }>();
    for (const path of paths) {
      const sha256 = createHash("sha256")
        .update(await readFile(path))
        .digest("hex");
      if (placed.has(sha256)) continue;
      const at = join(folder, "p", sha256, basename(path));
      await mkdir(join(folder, "p", sha256), { recursive: true });
      await copyFile(path, at);
      placed.set(sha256, { path, at });
    }
    const theirs = await createrepoFragments(folder);
    const compared: ComparedRpm[] = [];
    for (const [sha256, { path, at }] of placed) {
      const ours = await ourFragments(at, sha256);
      compared.push({
        path,
        ours,
        theirs: theirs.get(sha256),
        ...difference(ours, theirs.get(sha256)),
      });
    }
    return compared;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function ourFragments(path: string, sha256: string): Promise<Fragments | RpmRefused> {
  const { size, mtimeMs } = await stat(path);
  const mtimeSeconds = Math.floor(mtimeMs / 1000);
  try {
    const file = { sha256, sizeBytes: size, fileName: basename(path), mtimeSeconds };
    return fragmentsOf(await readRpm(path), file);
  } catch (err) {
    if (err instanceof RpmRefused) return err;
    throw err;
  }
}

/** By sha256. An RPM that createrepo_c refuses is missing. */
async function createrepoFragments(
  folder: string,
): Promise<ReadonlyMap<string, Fragments | "not-xml">> {
  const env = { ...process.env, LC_ALL: "C", LANGUAGE: "C" };
  const options = { env, maxBuffer: 2 ** 28 };
  // It ends with 2 if it refused a file.
  await exec("createrepo_c", [...FORM, "--changelog-limit", "10", folder], options).catch(
    (err: { code?: unknown }) => {
      if (err.code !== 2) throw err;
    },
  );
  const documents = await Promise.all(
    DOCUMENTS.map(async (name) => {
      const packed = await readFile(join(folder, "repodata", `${name}.xml.gz`));
      return packagesOf(gunzipSync(packed).toString("latin1"));
    }),
  );
  const [primary, filelists, other] = documents;
  return new Map(
    [...(primary ?? [])].map(([sha256, xml]) => {
      const bytes = [xml, filelists?.get(sha256) ?? "", other?.get(sha256) ?? ""];
      return [sha256, decoded(bytes.map((each) => Buffer.from(each, "latin1")))];
    }),
  );
}

function decoded(bytes: readonly Buffer[]): Fragments | "not-xml" {
  const [primary = "", filelists = "", other = ""] = bytes.map((each) => each.toString("utf8"));
  try {
    for (const xml of [primary, filelists, other]) canonicalXml(xml);
  } catch {
    return "not-xml";
  }
  return bytes.every(isUtf8) ? { primary, filelists, other } : "not-xml";
}

/** Of a document, one character per byte. */
function packagesOf(xml: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [fragment] of xml.matchAll(/<package [\s\S]*?<\/package>\n/g)) {
    found.set(/pkgid="(?:YES">)?([0-9a-f]{64})/.exec(fragment)?.[1] ?? "", fragment);
  }
  return found;
}

function difference(
  ours: Fragments | RpmRefused,
  theirs: Fragments | "not-xml" | undefined,
): Pick<ComparedRpm, "differences"> {
  if (ours instanceof RpmRefused || theirs === undefined) {
    const ourAnswer = ours instanceof RpmRefused ? `refused: ${ours.message}` : "taken";
    const theirAnswer = typeof theirs === "object" ? "taken" : (theirs ?? "refused");
    const isAgreed = ours instanceof RpmRefused && theirAnswer !== "taken";
    return { differences: isAgreed ? [] : [`by us ${ourAnswer}, by them ${theirAnswer}`] };
  }
  // What they could not write must be XML at least.
  if (theirs === "not-xml") {
    for (const name of DOCUMENTS) canonicalXml(ours[name]);
    return { differences: [] };
  }
  return {
    differences: DOCUMENTS.flatMap((name) => {
      const [a, b] = [canonicalXml(ours[name]), canonicalXml(theirs[name])];
      return a === b ? [] : [`${name}: ${firstDifference(a, b)}`];
    }),
  };
}

function firstDifference(ours: string, theirs: string): string {
  let at = 0;
  while (ours[at] === theirs[at]) at += 1;
  const around = (text: string): string => text.slice(Math.max(0, at - 60), at + 60);
  return `ours ${around(ours)} | theirs ${around(theirs)}`;
}
