import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Advisory } from "../../src/shared/package-messages.ts";
import { DOCUMENTS } from "../../src/yum/layout.ts";
import { exportTarget } from "../../src/yum/export-target.ts";
import { verifyTarget } from "../../src/yum/verify-target.ts";
import type { ListedPackage, TargetState } from "../../src/yum/target-state.ts";
import { canonicalXml } from "../support/canonical-xml.ts";
import { dnfClient } from "../support/dnf-client.ts";
import { makeSeeds, writeManyRpms } from "../support/many-rpms.ts";
import { askPython } from "../support/python-oracle.ts";
import { makeEngineKeys, startYumEngine } from "../support/yum-engine-rig.ts";
import type { RigEdit, YumEngineRig } from "../support/yum-engine-rig.ts";
import { zypperClient } from "../support/zypper-client.ts";

const exec = promisify(execFile);
const TARGET = "el9.noarch";
const never = new AbortController().signal;

let folder: string;
let keys: Awaited<ReturnType<typeof makeEngineKeys>>;
let rig: YumEngineRig;
let packages: readonly ListedPackage[];
let state: TargetState;
/** Served name → folder of its export. */
let exports: Readonly<Record<string, string>>;
let server: ReturnType<typeof createServer>;
let url: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tatara-engine-interop-"));
  keys = await makeEngineKeys();
  rig = await startYumEngine(keys);
  const into = { yumDir: rig.layout.yumDir };
  packages = await writeManyRpms(await makeSeeds(), { into, count: 3_640 });
  const number = await publishAll();
  const found = await rig.engine.state("dev", number, TARGET);
  if (found === undefined) throw new Error("The target is missing.");
  state = found;
  const names = [TARGET, `${TARGET}-base`, `${TARGET}-updates`];
  const made = names.map(async (name) => {
    const place = { channel: "dev", number, target: name };
    await exportTarget(rig.layout, place, join(folder, name), { link: true });
    return [name, join(folder, name)] as const;
  });
  exports = Object.fromEntries(await Promise.all(made));
  server = createServer((request, response) => {
    readFile(join(folder, request.url ?? "/")).then(
      (bytes) => response.end(bytes),
      () => response.writeHead(404).end(),
    );
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}, 300_000);

afterAll(async () => {
  server?.close();
  await rig?.[Symbol.asyncDispose]();
  await keys?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const HOURS_MS = 3 * 3_600_000;

/** Small builds and large ones, with idle time between them, so that segments are joined and folded. */
async function publishAll(): Promise<number> {
  let number = 0;
  const publish = async (edit: RigEdit): Promise<void> => {
    // So long that no host has an earlier base any more.
    rig.clock.nowMs += HOURS_MS;
    number = (await rig.publish(edit))?.number ?? number;
  };
  for (let from = 0; from < packages.length;) {
    const count = from < 1_800 ? 100 : from < 3_500 ? 300 : 8;
    const add = { [TARGET]: packages.slice(from, from + count) };
    await publish({ add });
    await rig.engine.settled();
    from += count;
  }
  const gone = [packages[3], packages[1_500], packages.at(-1)].flatMap((each) => each?.nevra ?? []);
  packages = packages.filter(({ nevra }) => !gone.includes(nevra));
  await publish({ remove: { [TARGET]: gone } });
  // What is staged now, nobody has prepared: its open-checksums are missing.
  const late = await writeManyRpms(await makeSeeds(), {
    into: { yumDir: rig.layout.yumDir },
    from: 5_000,
    count: 9,
  });
  packages = [...packages, ...late];
  const nevras = late.map(({ nevra }) => nevra);
  const edit = { add: { [TARGET]: late }, advisories: [{ ...ADVISORY, nevras }], extras: [COMPS] };
  await publish(edit);
  return number;
}

const ADVISORY: Advisory = {
  id: "TATARA-2026:1",
  type: "security",
  severity: "Important",
  title: "many: a fix & more",
  description: "Fixes <CVE-2026-1>.",
  issuedAt: 1_767_225_600_000,
  references: [
    {
      type: "cve",
      id: "CVE-2026-1",
      href: "https://example.org/CVE-2026-1",
      title: "CVE-2026-1",
    },
  ],
  rebootSuggested: false,
};

const COMPS = {
  target: TARGET,
  type: "group",
  text: `<?xml version="1.0" encoding="UTF-8"?>
<comps><group><id>many</id><name>Many packages</name><default>false</default>
<uservisible>true</uservisible><packagelist><packagereq type="mandatory">many-000008-with14</packagereq>
</packagelist></group></comps>
`,
} as const;

function nevras(): readonly string[] {
  return packages.map(({ nevra }) => nevra).toSorted();
}

describe("a layered repository of 3,000 packages with joined segments", () => {
  test("is what the other tests think it is", () => {
    expect(packages.length).toBeGreaterThan(3_000);
    expect(state.segments.some((each) => each.packages > 900)).toBe(true);
    expect(state.segments.length).toBeGreaterThan(2);
    expect(state.views.base?.packages).toBe(packages.length - 9);
    expect(state.views.updates?.packages).toBe(9);
    expect(state.views.base?.documents.primary.openSha256).toBeNull();
    expect(state.views.updates?.documents.primary.openSha256).not.toBeNull();
  });

  test("is whole, by our own checker", async () => {
    for (const target of Object.keys(exports)) {
      const place = { channel: "dev", number: state.views.full.since, target };
      const verified = await verifyTarget(rig.layout, place, {
        verifySignature: (path, signature) => rig.signer.verify.detached(path, signature, never),
      });
      expect(verified?.problems).toEqual([]);
    }
  });

  test("is read by dnf, whole and as two layers, with the metadata's signature checked", async () => {
    await exec("cp", [join(rig.layout.keys, "tatara.asc"), folder]);
    for (const names of [[TARGET], [`${TARGET}-base`, `${TARGET}-updates`]]) {
      await using client = await dnfClient({ repoText: repoText(names) });

      expect((await client.makecache()).code).toBe(0);
      expect(await client.list()).toEqual(nevras());
      expect((await client.dnf("group", "list", "many")).output).toContain("Many packages");
    }
  });

  test("is read by zypper", async () => {
    await using client = await zypperClient(`${url}/${TARGET}/`);
    await client.trust(await readFile(join(rig.layout.keys, "tatara.asc"), "utf8"));

    const refreshed = await client.refresh();

    expect(refreshed).toMatchObject({ code: 0 });
  });

  test("is read by createrepo_c's parser, and by Python's gzip and ElementTree", async () => {
    const answers = await askPython<{
      readonly createrepo: readonly string[];
      readonly updates: readonly (readonly string[])[];
      readonly trees: readonly { readonly said: number; readonly found: readonly string[] }[];
    }>(READERS, exports[TARGET]);

    const ids = packages.map(({ sha256 }) => sha256);
    expect(answers.createrepo.toSorted()).toEqual(ids.toSorted());
    expect(answers.updates).toEqual([
      [ADVISORY.id, ADVISORY.title, ADVISORY.severity, "2026-01-01 00:00:00", "CVE-2026-1"],
      packages.slice(-9).map(({ fileName }) => fileName),
    ]);
    expect(answers.trees.map(({ said }) => said)).toEqual([ids.length, ids.length, ids.length]);
    for (const { found } of answers.trees) expect(found.length).toBe(ids.length);
    for (const { found } of answers.trees) expect(found).toEqual(answers.trees[0]?.found);
  });

  test("has the XML that createrepo_c makes of the same files", async () => {
    const out = join(folder, "theirs");
    await mkdir(out);
    const form = ["--no-database", "--simple-md-filenames", "--quiet", "--workers", "4"];
    const where = ["--outputdir", out, exports[TARGET] ?? ""];
    await exec("createrepo_c", [...form, "--changelog-limit", "10", ...where]);

    for (const document of DOCUMENTS) {
      const ours = await readDocument(join(exports[TARGET] ?? "", "repodata"), document);
      const theirs = await readDocument(join(out, "repodata"), document);
      expect(ours.size).toBe(packages.length);
      const different = [...theirs].filter(([sha256, xml]) => ours.get(sha256) !== xml);
      expect(different.slice(0, 1)).toEqual([]);
      expect(theirs.size).toBe(ours.size);
    }
  });
});

test("zstd frames, one for each segment, are read by dnf", async () => {
  await rig.publish({ rewrite: true, settings: { compression: "zstd" } });
  const [first] = packages;
  const remove = { [TARGET]: [first?.nevra ?? ""] };
  packages = packages.slice(1);
  const number = (await rig.publish({ remove }))?.number ?? 0;
  const place = { channel: "dev", number, target: TARGET };
  await exportTarget(rig.layout, place, join(folder, "zstd"), { link: true });
  const names = await readdir(join(folder, "zstd", "repodata"));
  expect(names.filter((name) => name.endsWith("primary.xml.zst"))).toHaveLength(1);
  await exec("cp", [join(rig.layout.keys, "tatara.asc"), folder]);
  await using client = await dnfClient({ repoText: repoText(["zstd"]) });

  expect(await client.list()).toEqual(nevras());
});

/** For exports below the folder that is served. */
function repoText(names: readonly string[]): string {
  const sections = names.map(
    (name) => `[${name}]
name=${name}
baseurl=${url}/${name}/
enabled=1
gpgcheck=0
repo_gpgcheck=1
gpgkey=${url}/tatara.asc
skip_if_unavailable=0
`,
  );
  return sections.join("\n");
}

const READERS = `
import json, sys, gzip, glob
import xml.etree.ElementTree as ET
import createrepo_c as cr
folder = json.load(sys.stdin)
metadata = cr.Metadata()
metadata.locate_and_load_xml(folder)
[path] = glob.glob(folder + "/repodata/*-updateinfo.xml.gz")
[update] = cr.UpdateInfo(path).updates
issued = update.issued_date.strftime("%Y-%m-%d %H:%M:%S")
updates = [[update.id, update.title, update.severity, issued, update.references[0].id],
           [each.filename for each in update.collections[0].packages]]
trees = []
for name in ["primary", "filelists", "other"]:
    [path] = glob.glob(folder + "/repodata/*-" + name + ".xml.gz")
    with gzip.open(path) as file:
        root = ET.parse(file).getroot()
    ids = [each.get("pkgid") or each.find("{http://linux.duke.edu/metadata/common}checksum").text for each in root]
    trees.append({"said": int(root.get("packages")), "found": ids})
print(json.dumps({"updates": updates, "createrepo": [metadata.get(key).pkgId for key in metadata.keys()], "trees": trees}))
`;

/** Canonical XML of each package, by its sha256. */
async function readDocument(repodata: string, document: string) {
  const name = (await readdir(repodata)).find((each) => each.endsWith(`${document}.xml.gz`));
  const xml = gunzipSync(await readFile(join(repodata, name ?? ""))).toString("utf8");
  const texts = xml.matchAll(/<package [\s\S]*?<\/package>\n/g);
  return new Map(
    [...texts].map(([text]) => {
      return [/pkgid="(?:YES">)?([0-9a-f]{64})/.exec(text)?.[1], canonicalXml(text)] as const;
    }),
  );
}
