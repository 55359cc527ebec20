import { createHash, randomBytes } from "node:crypto";
import { cp, link, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ensureChannels } from "../../src/server/store/channels.ts";
import { openStore } from "../../src/server/store/store.ts";
import { DOCUMENTS, yumLayout } from "../../src/yum/layout.ts";
import type { DocumentName, YumLayout } from "../../src/yum/layout.ts";
import { endsFile, memberFile } from "../../src/yum/target-state.ts";
import type { TargetState } from "../../src/yum/target-state.ts";
import { writeGeneration } from "../../test/support/segment-tree.ts";
import type { TreePackage } from "../../test/support/segment-tree.ts";

const CHANNEL = "dev";
const SMALL = "el9.x86_64";
const LARGE = "el9.aarch64";
const SMALL_PACKAGES = 60;
const SEGMENT_PACKAGES = 1_024;
const TAIL_PACKAGES = 40;

export interface YumTree {
  /** What each case asks for, by path; the same for both servers. */
  readonly paths: Readonly<Record<string, readonly string[]>>;
}

/**
 * A channel in a data folder, its pointer in the database, and the same files by the same paths as
 * plain files below `root`. Packages are noise: nobody installs them.
 */
export async function makeYumTree(options: {
  readonly dataDir: string;
  readonly root: string;
  readonly packages: number;
  readonly rpmBytes: readonly { readonly name: string; readonly bytes: number }[];
}): Promise<YumTree> {
  const { dataDir, root, rpmBytes } = options;
  const yumDir = join(dataDir, "yum");
  const layout = yumLayout(yumDir);
  const full = Math.floor(options.packages / SEGMENT_PACKAGES);
  const segments = Array.from({ length: full }, (_none, index) =>
    packagesFrom(index * SEGMENT_PACKAGES, SEGMENT_PACKAGES),
  );
  const large = { segments, tail: packagesFrom(full * SEGMENT_PACKAGES, TAIL_PACKAGES) };
  const targets = {
    [SMALL]: { segments: [], tail: packagesFrom(1_000_000, SMALL_PACKAGES) },
    [LARGE]: large,
  };
  const wish = { channel: CHANNEL, number: 1, targets };
  // Of the size that a signature by RSA-4096 has.
  const { states } = await writeGeneration(yumDir, wish, async () => "s".repeat(870));
  await recordHead(join(dataDir, "tatara.db"));

  const at = (target: string): string => `/yum/${CHANNEL}/${target}`;
  for (const target of [SMALL, LARGE]) {
    const state = states[target];
    if (state !== undefined) await copyPlainly(state, target, layout, join(root, at(target)));
  }
  const packages = await Promise.all(
    rpmBytes.map(
      async ({ name, bytes }) => [name, [await makePackage(bytes, layout, root)]] as const,
    ),
  );
  const repodata = `${at(SMALL)}/g/1/repodata`;
  const primaryOf = (target: string): string =>
    `${at(target)}/g/1/repodata/${states[target]?.views.full.documents.primary.fileName}`;
  const index = [`${repodata}/repomd.xml`, `${repodata}/repomd.xml.asc`];
  return {
    paths: {
      mirrorlist: [`${at(SMALL)}/mirrorlist`],
      repomd: [index[0] ?? ""],
      metadata: [`${at(SMALL)}/mirrorlist`, ...index, primaryOf(SMALL)],
      primary: [primaryOf(LARGE)],
      ...Object.fromEntries(packages),
    },
  };
}

async function recordHead(path: string): Promise<void> {
  const env = { now: Date.now, newId: (prefix: string) => `${prefix}-1`, buildUrl: () => "" };
  const store = await openStore(path, env);
  await store.write(ensureChannels);
  await store.write(async (tx) => {
    await tx.db
      .insertInto("generations")
      .values({
        channel: CHANNEL,
        number: 1,
        base: 0,
        createdAt: tx.now(),
        targetsJson: JSON.stringify({ [SMALL]: 1, [LARGE]: 1 }),
        countsJson: "{}",
        isPinned: 0,
        pinNote: null,
        sweptAt: null,
      })
      .execute();
    await tx.db.updateTable("channels").set({ head: 1 }).where("name", "=", CHANNEL).execute();
  });
  await store.close();
}

/** What a static web server would have: whole documents, index, signature, mirrorlist. */
async function copyPlainly(
  state: TargetState,
  target: string,
  layout: YumLayout,
  folder: string,
): Promise<void> {
  const repodata = join(layout.served(CHANNEL, 1, target), "repodata");
  const plain = join(folder, "g/1/repodata");
  await cp(repodata, plain, { recursive: true });
  for (const name of DOCUMENTS) {
    const { fileName, headBytes } = state.views.full.documents[name];
    const ends = await readFile(join(repodata, endsFile(name)));
    const members = await Promise.all(
      state.segments.map(({ id }) => readFile(join(layout.segment(id), memberFile(name, "gzip")))),
    );
    const parts = [ends.subarray(0, headBytes), ...members, ends.subarray(headBytes)];
    await writeFile(join(plain, fileName), Buffer.concat(parts));
  }
  const url = `http://127.0.0.1:12345/yum/${CHANNEL}/${target}/g/1/`;
  await writeFile(join(folder, "mirrorlist"), `${url}\n`);
}

/** One file, in the pool and, as a hard link, in the plain tree. */
async function makePackage(bytes: number, layout: YumLayout, root: string): Promise<string> {
  const content = randomBytes(bytes);
  const sha256 = createHash("sha256").update(content).digest("hex");
  const fileName = `bench-1.0-${bytes}.noarch.rpm`;
  const path = `/yum/${CHANNEL}/${SMALL}/g/1/p/${sha256}/${fileName}`;
  const pooled = layout.package({ sha256, fileName });
  await mkdir(dirname(pooled), { recursive: true });
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(pooled, content);
  await link(pooled, join(root, path));
  return path;
}

/** XML of the size that packages have on average (yum-repository.md). */
const XML_BYTES = { primary: 1_450, filelists: 1_630, other: 2_170 } as const;

function packagesFrom(first: number, count: number): readonly TreePackage[] {
  return Array.from({ length: count }, (_none, index) => packageOf(`package-${first + index}`));
}

function packageOf(name: string): TreePackage {
  const sha256 = createHash("sha256").update(name).digest("hex");
  const fileName = `${name}-1.0-1.noarch.rpm`;
  const xml = (document: DocumentName): string => {
    const text = `<package pkgid="${sha256}"><name>${name}</name>`;
    const line = `<file>/usr/share/${document}/of/a/package</file>`;
    return `${text}${line.repeat(Math.ceil((XML_BYTES[document] - text.length) / line.length))}</package>\n`;
  };
  return {
    listed: { nevra: `${name}-1.0-1.noarch`, sha256, fileName, sizeBytes: 1 },
    xml: { primary: xml("primary"), filelists: xml("filelists"), other: xml("other") },
  };
}
