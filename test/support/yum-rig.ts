import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import express from "express";
import type { ChannelHead } from "../../src/server/yum/context.ts";
import { yumRoutes } from "../../src/server/yum/routes.ts";
import { DOCUMENTS, yumLayout } from "../../src/yum/layout.ts";
import type { DocumentName } from "../../src/yum/layout.ts";
import type { MadeRpm } from "./make-rpm.ts";
import { splitDocuments, writeGeneration } from "./segment-tree.ts";
import type { TreePackage, TreeTarget, WrittenGeneration } from "./segment-tree.ts";

/** The yum routes over a data folder in the segment format, signed with a key of its own. */
export interface YumRig extends AsyncDisposable {
  readonly url: string;
  readonly yumDir: string;
  /** Where the channels point. */
  readonly heads: Map<string, ChannelHead>;
  /** Digests whose downloads are refused. */
  readonly refused: Set<string>;
  /** Signs RPMs, pools them, and makes their XML by createrepo_c. */
  pool(rpms: readonly MadeRpm[]): Promise<readonly TreePackage[]>;
  /** Writes a channel's next generation and moves the pointer to it. */
  publish(
    targets: Readonly<Record<string, TreeTarget>>,
    channel?: string,
  ): Promise<WrittenGeneration>;
  /** The same, but the pointer stays. */
  stage(
    targets: Readonly<Record<string, TreeTarget>>,
    channel?: string,
  ): Promise<WrittenGeneration>;
}

const exec = promisify(execFile);

export async function startYumRig(): Promise<YumRig> {
  const folder = await mkdtemp(join(tmpdir(), "tatara-yum-"));
  const yumDir = join(folder, "yum");
  const gnupg = await makeKey(join(folder, "gnupg"), yumLayout(yumDir).keys);
  const heads = new Map<string, ChannelHead>();
  const refused = new Set<string>();
  const written = new Map<string, WrittenGeneration>();
  const app = express();
  app.use(
    "/yum",
    yumRoutes({
      yumDir,
      heads: { channel: async (name) => heads.get(name) },
      refused: async (sha256) => refused.has(sha256),
      publicUrlOf: (request) => `${request.protocol}://${request.get("host") ?? ""}`,
    }),
  );
  const listener = app.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const url = `http://127.0.0.1:${(listener.address() as AddressInfo).port}`;

  const stage: YumRig["stage"] = async (targets, channel = "dev") => {
    const before = written.get(channel)?.file;
    const number = (before?.number ?? 0) + 1;
    const order = { channel, number, targets, ...(before && { before }) };
    const made = await writeGeneration(yumDir, order, (repomd) =>
      signDetached(repomd, folder, gnupg),
    );
    written.set(channel, made);
    return made;
  };
  return {
    url,
    yumDir,
    heads,
    refused,
    stage,
    pool: (rpms) => pool(rpms, yumDir, join(folder, "work"), gnupg),
    publish: async (targets, channel = "dev") => {
      const made = await stage(targets, channel);
      const served = { ...heads.get(channel)?.targets, ...made.served };
      heads.set(channel, { ...heads.get(channel), head: made.file.number, targets: served });
      return made;
    },
    [Symbol.asyncDispose]: async () => {
      listener.closeAllConnections();
      listener.close();
      await once(listener, "close");
      await exec("gpgconf", ["--homedir", gnupg, "--kill", "all"]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function makeKey(gnupg: string, publicDir: string): Promise<string> {
  await mkdir(gnupg, { recursive: true, mode: 0o700 });
  const user = "Tatara Test <test@example.com>";
  const args = ["--homedir", gnupg, "--batch", "--passphrase", ""];
  await exec("gpg", [...args, "--quick-gen-key", user, "rsa2048", "sign", "never"]);
  const { stdout } = await exec("gpg", ["--homedir", gnupg, "--armor", "--export"]);
  await mkdir(publicDir, { recursive: true });
  await writeFile(join(publicDir, "tatara.asc"), stdout);
  return gnupg;
}

async function signDetached(repomd: Buffer, folder: string, gnupg: string): Promise<string> {
  const path = join(folder, `repomd-${createHash("sha256").update(repomd).digest("hex")}`);
  await writeFile(path, repomd);
  const args = ["--homedir", gnupg, "--batch", "--yes", "--armor", "--output", `${path}.asc`];
  await exec("gpg", [...args, "--detach-sign", path]);
  return await readFile(`${path}.asc`, "utf8");
}

async function pool(
  rpms: readonly MadeRpm[],
  yumDir: string,
  work: string,
  gnupg: string,
): Promise<readonly TreePackage[]> {
  await rm(work, { recursive: true, force: true });
  await mkdir(work, { recursive: true });
  const paths = rpms.map(({ fileName }) => join(work, fileName));
  await Promise.all(rpms.map(({ bytes }, index) => writeFile(paths[index] ?? "", bytes)));
  const defines = ["__gpg /usr/bin/gpg", "_gpg_name test@example.com", `_gpg_path ${gnupg}`];
  await exec("rpmsign", ["--addsign", ...defines.flatMap((each) => ["--define", each]), ...paths]);
  const signed = await Promise.all(
    rpms.map(async ({ fileName }, index) => {
      const bytes = await readFile(paths[index] ?? "");
      const sha256 = createHash("sha256").update(bytes).digest("hex");
      const served = join(work, "p", sha256, fileName);
      await mkdir(dirname(served), { recursive: true });
      await rename(paths[index] ?? "", served);
      const nevra = fileName.replace(/\.rpm$/, "");
      return { nevra, fileName, sha256, sizeBytes: bytes.length, served };
    }),
  );
  await exec("createrepo_c", ["--no-database", "--simple-md-filenames", work]);
  const read = (name: DocumentName) => readFile(join(work, "repodata", `${name}.xml.gz`));
  const files = await Promise.all(DOCUMENTS.map(read));
  const [primary, filelists, other] = files.map((bytes) => Buffer.from(bytes));
  if (!primary || !filelists || !other) throw new Error("createrepo_c made no documents.");
  const xml = splitDocuments({ primary, filelists, other });
  return await Promise.all(
    signed.map(async ({ served, ...listed }) => {
      const path = yumLayout(yumDir).package(listed);
      await mkdir(dirname(path), { recursive: true });
      await rename(served, path);
      const found = xml.get(listed.sha256);
      if (found === undefined) throw new Error(`createrepo_c left ${listed.fileName} out.`);
      return { listed, xml: found };
    }),
  );
}
