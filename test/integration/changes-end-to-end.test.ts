import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dnfClient } from "../support/dnf-client.ts";
import { aGitWorkTree } from "../support/git-work-tree.ts";
import { makeRpms, type RpmWish } from "../support/make-rpm.ts";
import { startYum, type Yum } from "../support/start-yum.ts";

const TARGET = "el9.x86_64";
let yum: Yum;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tatara-rpms-"));
  yum = await startYum();
});
afterAll(async () => {
  await (yum as Yum | undefined)?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

interface Result {
  readonly publishId: string | null;
  readonly state: string;
  readonly generations: readonly { readonly channel: string; readonly number: number }[];
  readonly durationMs: number | null;
}
interface Plan {
  readonly add: readonly { readonly nevra: string }[];
  readonly remove: readonly { readonly nevra: string }[];
  readonly problems: readonly { readonly code: string }[];
}

const change = (wish: object): Promise<Result> => yum.api("/api/changes", { json: wish });
const plan = (wish: object): Promise<Plan> => yum.api("/api/changes?dry-run=1", { json: wish });

/** A build of this package goes live. */
async function publish(wish: RpmWish, push?: () => Promise<unknown>): Promise<void> {
  const rpms = await makeRpms(wish);
  const packages = [];
  for (const { fileName, bytes } of rpms) {
    const path = join(folder, fileName);
    await writeFile(path, bytes);
    packages.push({ path, target: TARGET });
  }
  const { buildId } = await yum.builds.finish({
    channel: "dev",
    packages,
    ...(push === undefined ? {} : { push }),
  });
  expect(await yum.builds.final(buildId)).toMatchObject({ state: "passed" });
}

async function sha256Of(nevra: string): Promise<string> {
  const name = nevra.replace(/-[^-]+-[^-]+$/, "");
  const { sha256 } = await yum.api<{ sha256: string }>(`/api/packages/${name}/${nevra}`);
  return sha256;
}

describe("what people do to channels, as hosts see it", () => {
  test("promote, then undo: a host has old, new, old, with the same bytes, and no cached address breaks", async () => {
    await publish({ name: "hello", version: "1.0" });
    await change({ kind: "promote", packages: ["hello-1.0-1"], to: "stable" });
    await using client = await dnfClient({ repoUrl: `${yum.url}/yum/stable.repo` });
    expect(await client.install("hello")).toMatchObject({ code: 0 });
    const old = await client.installed("hello");
    await publish({ name: "hello", version: "2.0" });
    const inDev = await sha256Of("hello-2.0-1.noarch");

    const planned = await plan({ kind: "promote", packages: ["hello-2.0-1"], to: "stable" });
    const promoted = await change({ kind: "promote", packages: ["hello-2.0-1"], to: "stable" });
    // From the metadata that it has: its generation's addresses still answer.
    const cached = await client.dnf("--cacheonly", "--quiet", "repoquery", "hello");
    expect(await client.upgrade("hello")).toMatchObject({ code: 0 });
    const upgraded = await client.installed("hello");
    const undone = await change({ kind: "undo", channel: "stable" });
    const synced = await client.dnf("--refresh", "distro-sync");
    const back = await client.installed("hello");

    expect(planned).toMatchObject({
      add: expect.arrayContaining([
        expect.objectContaining({ nevra: "hello-2.0-1.noarch", replaces: "hello-1.0-1.noarch" }),
      ]),
      remove: [],
      problems: [],
    });
    expect(promoted).toMatchObject({
      state: "live",
      generations: [{ channel: "stable", number: 2 }],
    });
    expect(cached).toMatchObject({ code: 0 });
    expect(undone).toMatchObject({
      state: "live",
      generations: [{ channel: "stable", number: 3 }],
    });
    expect(synced).toMatchObject({ code: 0 });
    expect([old, upgraded, back]).toEqual([
      ["hello-1.0-1.noarch"],
      ["hello-2.0-1.noarch"],
      ["hello-1.0-1.noarch"],
    ]);
    expect(await sha256Of("hello-2.0-1.noarch")).toBe(inDev);
  });

  test("a promotion that would not install is refused with what is missing, unless it is forced", async () => {
    await publish({
      name: "needs",
      preamble: ["Requires: base = 1.0"],
      sections: [
        "%package -n base",
        "Summary: Base",
        "%description -n base",
        "B.",
        "%files -n base",
      ],
    });
    const wish = { kind: "promote", packages: ["needs-1.0-1.noarch"], to: "testing" };

    const planned = await plan(wish);
    const refused = await post("/api/changes", wish);
    const together = await plan({ ...wish, packages: ["needs-1.0-1.noarch", "base"] });
    const forced = await change({ ...wish, force: true });

    expect(planned).toMatchObject({ problems: [{ code: "REQUIRES_UNSATISFIED" }] });
    expect(refused).toMatchObject({
      status: 422,
      body: { code: "REQUIRES_UNSATISFIED", problems: [{ code: "REQUIRES_UNSATISFIED" }] },
    });
    expect(refused.body["error"]).toContain("base");
    expect(together).toMatchObject({ problems: [] });
    expect(forced).toMatchObject({ state: "live" });
  });

  test("a yanked package is gone for hosts that refresh, and still there for one with older metadata", async () => {
    await publish({ name: "bad", version: "1.0" });
    await publish({ name: "bad", version: "2.0" });
    await using late = await dnfClient({ repoUrl: `${yum.url}/yum/dev.repo` });
    await using fresh = await dnfClient({ repoUrl: `${yum.url}/yum/dev.repo` });
    await late.makecache();

    const yanked = await change({ kind: "yank", packages: ["bad-2.0-1"], note: "eats files" });
    const lateEnd = await late.dnf("--setopt=metadata_expire=-1", "install", "bad");
    const freshEnd = await fresh.install("bad");

    expect(yanked).toMatchObject({ state: "live" });
    expect(lateEnd, lateEnd.output).toMatchObject({ code: 0 });
    expect(await late.installed("bad")).toEqual(["bad-2.0-1.noarch"]);
    expect(freshEnd).toMatchObject({ code: 0 });
    expect(await fresh.installed("bad")).toEqual(["bad-1.0-1.noarch"]);
    expect(await yum.api("/api/packages/bad/bad-2.0-1.noarch")).toMatchObject({
      yanked: { reason: "eats files", refused: false },
      listings: [],
    });
  });

  test("refused downloads are answered 410 under every generation, and the rest installs", async () => {
    await publish({ name: "leak", version: "1.0" });
    const { sha256, fileName } = await yum.api<{ sha256: string; fileName: string }>(
      "/api/packages/leak/leak-1.0-1.noarch",
    );
    const { head } = await yum.api<{ head: number }>("/api/channels/dev");
    const at = (generation: number): Promise<number> =>
      statusOf(`/yum/dev/${TARGET}/g/${generation}/p/${sha256}/${fileName}`);
    await using late = await dnfClient({ repoUrl: `${yum.url}/yum/dev.repo` });
    await late.makecache();
    const before = await at(head);

    await change({ kind: "yank", packages: ["leak"], refuseDownloads: true, note: "secret" });

    expect(before).toBe(200);
    expect([await at(head), await at(head + 1)]).toEqual([410, 410]);
    expect((await late.dnf("--setopt=metadata_expire=-1", "install", "leak")).code).toBe(1);
    expect(await late.install("hello-1.0-1")).toMatchObject({ code: 0 });
  });

  test("a fork lists what its parent does", async () => {
    const made = await yum.api<{ publishId: string }>("/api/channels", {
      json: { name: "mine", parent: "dev", expireDays: 3 },
    });
    expect(await ended(made)).toMatchObject({
      state: "live",
      generations: [{ channel: "mine", number: 1 }],
    });

    await using mine = await dnfClient({ repoUrl: `${yum.url}/yum/mine.repo` });
    await using parent = await dnfClient({ repoUrl: `${yum.url}/yum/dev.repo` });

    expect(await mine.list()).toEqual(await parent.list());
    expect(await yum.api("/api/channels/mine")).toMatchObject({ parent: { name: "dev" } });
  });

  test("a branch publishes to a fork of its own, which has the parent's packages and its own", async () => {
    await yum.api("/api/channels/dev", {
      method: "PATCH",
      json: { settings: { branchChannels: { expireDays: 7 } } },
    });
    await using tree = await aGitWorkTree({ token: yum.adminToken });
    const remote = `${yum.url}/git/acme/own.git`;
    const push = (branch: string) => async (): Promise<void> => {
      await tree.commit({ [`${branch}-${performance.now()}`]: "x" }, "change");
      const { code, output } = await tree.git("push", remote, `HEAD:refs/heads/${branch}`);
      if (code !== 0) throw new Error(output);
    };
    await publish({ name: "own", version: "1.0" }, push("main"));
    for (const version of ["2.0", "3.0"]) await publish({ name: "own", version }, push("next"));

    await using branch = await dnfClient({ repoUrl: `${yum.url}/yum/acme.own.next.repo` });
    await using parent = await dnfClient({ repoUrl: `${yum.url}/yum/dev.repo` });

    const inParent = await parent.list();
    expect(inParent.filter((nevra) => nevra.startsWith("own-"))).toEqual(["own-1.0-1.noarch"]);
    expect(await branch.list()).toEqual(
      [...inParent, "own-2.0-1.noarch", "own-3.0-1.noarch"].toSorted(),
    );
  });

  test("other settings for the files make them anew, and hosts see the same", async () => {
    await using client = await dnfClient({ repoUrl: `${yum.url}/yum/dev.repo` });
    const before = await client.list();

    const begun = await yum.api<{ publishId: string }>("/api/channels/dev", {
      method: "PATCH",
      json: { settings: { compression: "zstd" } },
    });
    const end = await ended(begun);

    expect(end).toMatchObject({ state: "live", generations: [{ channel: "dev" }] });
    expect(await client.list()).toEqual(before);
    const index = await fetch(`${yum.url}/yum/dev/${TARGET}/repodata/repomd.xml`);
    expect(await index.text()).toContain("-primary.xml.zst");
  });

  test("a folder of packages is imported", async () => {
    const imported = await mkdtemp(join(tmpdir(), "tatara-import-"));
    try {
      for (const { fileName, bytes } of await makeRpms({ name: "bought", version: "7.0" })) {
        await writeFile(join(imported, fileName), bytes);
      }
      const wish = { target: TARGET, folder: imported };

      const end = await ended(await post("/api/channels/testing/import", wish));

      expect(end).toMatchObject({ state: "live", generations: [{ channel: "testing" }] });
      expect(await yum.api("/api/packages/bought/bought-7.0-1.noarch")).toMatchObject({
        build: null,
        listings: [{ channel: "testing", target: TARGET }],
        details: { fileCount: 2, signedBy: [expect.any(String)] },
        provenance: null,
      });
    } finally {
      await rm(imported, { recursive: true, force: true });
    }
  });

  test("groups are passed through, and taken away again", async () => {
    const comps = `<?xml version="1.0"?>
<comps><group><id>greeters</id><name>Greeters</name><description>They greet</description>
<uservisible>true</uservisible><packagelist><packagereq type="mandatory">hello</packagereq></packagelist>
</group></comps>`;
    const address = `/api/channels/dev/${TARGET}/extras/group`;
    await using client = await dnfClient({ repoUrl: `${yum.url}/yum/dev.repo` });

    await ended(await send("PUT", address, comps));
    const listed = await client.dnf("--refresh", "group", "list");
    await ended(await send("DELETE", address));
    const gone = await client.dnf("--refresh", "group", "list");

    expect(listed.output).toContain("Greeters");
    expect(gone.output).not.toContain("Greeters");
  });

  test("a sweep tells first what it would delete, and deletes nothing that is in use", async () => {
    const { publishId } = await yum.api<{ publishId: string }>("/api/sweeps?dry-run=1", {
      json: {},
    });

    const report = await ended({ publishId });

    expect(report).toMatchObject({ state: "live", report: [] });
    expect(await statusOf("/yum/dev/el9.x86_64/g/1/repodata/repomd.xml")).toBe(200);
  });

  test("forty changes in a row are forty generations, and the last one is what hosts see", async () => {
    const { head } = await yum.api<{ head: number }>("/api/channels/stable");
    for (let round = 0; round < 20; round += 1) {
      await change({ kind: "promote", packages: ["hello-2.0-1"], from: "dev", to: "stable" });
      await change({ kind: "undo", channel: "stable" });
    }
    await using client = await dnfClient({ repoUrl: `${yum.url}/yum/stable.repo` });

    expect(await yum.api("/api/channels/stable")).toMatchObject({ head: head + 40 });
    expect(await client.list()).toEqual(["hello-1.0-1.noarch"]);
  });
});

async function post(path: string, json: object) {
  return await send("POST", path, JSON.stringify(json), "application/json");
}

async function send(
  method: string,
  path: string,
  body?: string,
  type = "text/plain",
): Promise<{ readonly status: number; readonly body: Record<string, unknown> }> {
  const response = await fetch(yum.url + path, {
    method,
    headers: { authorization: `Bearer ${yum.adminToken}`, "content-type": type },
    ...(body === undefined ? {} : { body }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

async function statusOf(path: string): Promise<number> {
  const response = await fetch(yum.url + path);
  await response.body?.cancel();
  return response.status;
}

/** How a change ended that was begun. */
async function ended(
  begun: { readonly publishId: string } | { readonly body: Record<string, unknown> },
): Promise<{ readonly state: string; readonly report: readonly string[] }> {
  const id = String("publishId" in begun ? begun.publishId : begun.body["publishId"]);
  const result = () => yum.api<{ state: string; report: string[] }>(`/api/changes/${id}`);
  await expect
    .poll(async () => (await result()).state, { timeout: 120_000 })
    .toMatch(/^(?!queued|running)/);
  return await result();
}
