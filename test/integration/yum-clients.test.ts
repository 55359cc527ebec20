import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dnfClient } from "../support/dnf-client.ts";
import type { DnfClient } from "../support/dnf-client.ts";
import { makeRpm } from "../support/make-rpm.ts";
import { makeSeeds, writeManyRpms } from "../support/many-rpms.ts";
import { serveEngine } from "../support/served-engine.ts";
import { makeEngineKeys, startYumEngine } from "../support/yum-engine-rig.ts";
import type { TreePackage } from "../support/segment-tree.ts";
import { startYumRig } from "../support/yum-rig.ts";
import type { YumRig } from "../support/yum-rig.ts";

const TARGET = "el9.x86_64";
const NAMES = ["alpha", "beta", "gamma", "delta", "epsilon"];
const ALL = NAMES.map((name) => `${name}-1.0-1.noarch`).toSorted();
const CLIENTS = 20;
let rig: YumRig;
let packages: readonly TreePackage[];

beforeAll(async () => {
  rig = await startYumRig();
  packages = await rig.pool(await Promise.all(NAMES.map((name) => makeRpm({ name }))));
  await rig.publish({ [TARGET]: { segments: [some(0, 2), some(2, 4)], tail: some(4) } });
});
afterAll(async () => {
  await rig[Symbol.asyncDispose]();
});

function some(from: number, to?: number): readonly TreePackage[] {
  return packages.slice(from, to);
}

async function textOf(path: string): Promise<string> {
  return await (await fetch(`${rig.url}/yum/${path}`)).text();
}

/** What the client sees from what it has, without asking the server for more. */
async function cached(client: DnfClient): Promise<readonly string[]> {
  const format = "%{name}-%{evr}.%{arch}";
  const end = await client.dnf("--quiet", "--cacheonly", "repoquery", "--qf", format);
  return [...new Set(end.output.split("\n").filter((line) => line.endsWith(".noarch")))].toSorted();
}

describe("a target made of segments", () => {
  test("is read and installed from through the mirrorlist, with both checks on", async () => {
    await using client = await dnfClient({ repoUrl: `${rig.url}/yum/dev.repo` });

    expect(await client.list()).toEqual(ALL);
    expect(await client.install("alpha", "epsilon")).toMatchObject({ code: 0 });
    expect(await client.installed("alpha")).toEqual(["alpha-1.0-1.noarch"]);
    // Needs the file lists, which are made of segments too.
    const owner = await client.dnf("--quiet", "repoquery", "--file", "/usr/share/gamma/content");
    expect(owner.output).toContain("gamma-0:1.0-1.noarch");
  });

  test("is read and installed from at the plain baseurl", async () => {
    const plain = `baseurl=${rig.url}/yum/dev/${TARGET}/`;
    const repoText = (await textOf("dev.repo")).replace(/^mirrorlist=.*$/m, plain);
    await using client = await dnfClient({ repoText });

    expect(await client.list()).toEqual(ALL);
    expect(await client.install("beta")).toMatchObject({ code: 0 });
  });

  test("is found by a family's file, whatever the release is called", async () => {
    await rig.publish({ "el8.x86_64": { segments: [], tail: some(0, 1) } }, "family");
    await rig.publish({ [TARGET]: { segments: [some(0, 4)], tail: some(4) } }, "family");
    await using client = await dnfClient({ repoUrl: `${rig.url}/yum/family.repo?family=el` });

    for (const [release, expected] of [
      ["9", ALL],
      ["9.4", ALL],
      ["8", ALL.slice(0, 1)],
    ] as const) {
      const format = "%{name}-%{evr}.%{arch}";
      const query = [
        "--quiet",
        "--refresh",
        `--releasever=${release}`,
        "repoquery",
        "--qf",
        format,
      ];
      const { output } = await client.dnf(...query);
      expect(output.split("\n").filter((line) => line.endsWith(".noarch"))).toEqual(expected);
    }
  });

  test("in zstd frames is read whole", async () => {
    const target = {
      segments: [some(0, 2), some(2, 4)],
      tail: some(4),
      compression: "zstd" as const,
    };
    await rig.publish({ [TARGET]: target }, "frames");
    await using client = await dnfClient({ repoUrl: `${rig.url}/yum/frames.repo` });

    expect(await client.list()).toEqual(ALL);
  });

  test("is read by twenty clients at a time", async () => {
    await using client = await dnfClient({ repoUrl: `${rig.url}/yum/dev.repo` });
    const one =
      "dnf -q -y --setopt=cachedir=/tmp/c$i repoquery > /tmp/out$i 2>&1; echo $? > /tmp/rc$i";
    const all = `for i in $(seq ${CLIENTS}); do (${one}) & done; wait`;
    const sum = `cat /tmp/rc* | sort | uniq -c; cat /tmp/out* | grep -c noarch`;

    const end = await client.run("sh", "-c", `${all}; ${sum}`);

    const [codes = "", lines] = end.output.trim().split("\n");
    expect(codes.trim().split(/\s+/)).toEqual([String(CLIENTS), "0"]);
    expect(lines).toBe(String(CLIENTS * ALL.length));
  });
});

describe("a target with layers", () => {
  test("is whole to a host with the two sections, which reads only the updates anew", async () => {
    const first = { segments: [some(0, 2), some(2, 3)], tail: some(3, 4), baseSegments: 2 };
    const { states } = await rig.publish({ [TARGET]: first }, "layered");
    const base = states[TARGET]?.views.base ?? undefined;
    await using client = await dnfClient({ repoText: strict(await textOf("layered.repo")) });
    expect(await client.list()).toEqual(ALL.filter((nevra) => !nevra.startsWith("epsilon")));

    const keep = base === undefined ? {} : { base };
    await rig.publish({ [TARGET]: { ...first, tail: some(3), keep } }, "layered");

    expect(await client.list()).toEqual(ALL);
    expect(await client.install("alpha", "epsilon")).toMatchObject({ code: 0 });
  });

  /** A fold while the host has the base from before it, and reads the updates after it. */
  async function seenAfterFold(channel: string, updatesFrom: number | undefined) {
    const segments = [some(0, 2), some(2, 4)];
    await rig.publish({ [TARGET]: { segments, tail: some(4), baseSegments: 1 } }, channel);
    await using client = await dnfClient({ repoText: strict(await textOf(`${channel}.repo`)) });
    expect(await client.list()).toEqual(ALL);

    const folded = { segments, tail: some(4), baseSegments: 2 };
    const wish = updatesFrom === undefined ? folded : { ...folded, updatesFrom };
    await rig.publish({ [TARGET]: wish }, channel);
    await refreshOnly(client, `tatara-${channel}-updates`);
    const between = await cached(client);
    return { between, after: await client.list() };
  }

  test("loses nothing by a fold that leaves the folded in the updates until the next", async () => {
    const { between, after } = await seenAfterFold("overlap", 1);

    expect(between).toEqual(ALL);
    // Both layers list them, once each: a host installs them as any other.
    expect([...new Set(after)]).toEqual(ALL);
  });

  test("would lose them otherwise: that is why", async () => {
    const { between } = await seenAfterFold("gap", undefined);

    expect(between).toEqual(ALL.filter((nevra) => !/^(?:gamma|delta)/.test(nevra)));
  });
});

describe("a target that the engine folds", () => {
  const FIRST = 2_150;
  const MINUTE_MS = 60_000;

  test("loses no package for a host that reads only one of the layers anew", async () => {
    await using keys = await makeEngineKeys();
    await using engine = await startYumEngine(keys);
    await using server = await serveEngine(engine, TARGET);
    const into = { yumDir: engine.layout.yumDir };
    const written = await writeManyRpms(await makeSeeds(), { into, count: FIRST + 80 });
    let published = 0;
    const publish = async (count: number): Promise<void> => {
      const add = { [TARGET]: written.slice(published, (published += count)) };
      await engine.publish({ add });
    };
    const nevras = (count: number) => namesOf(written.slice(0, count));
    await publish(FIRST);
    await publish(60);
    const repoText = strict(await (await fetch(`${server.url}/yum/dev.repo`)).text());
    await using updating = await dnfClient({ repoText });
    await using rebasing = await dnfClient({ repoText });
    expect(await Promise.all([updating.list(), rebasing.list()])).toEqual([
      nevras(FIRST + 60),
      nevras(FIRST + 60),
    ]);

    // 70 are more than the square root of twice 2,220.
    await publish(10);
    await Promise.all([
      refreshOnly(updating, "tatara-dev-updates"),
      refreshOnly(rebasing, "tatara-dev"),
    ]);
    expect(await cached(updating)).toEqual(nevras(FIRST + 70));
    expect(await cached(rebasing)).toEqual(nevras(FIRST + 60));

    engine.clock.nowMs += 119 * MINUTE_MS;
    await publish(1);
    await refreshOnly(updating, "tatara-dev-updates");
    expect(await cached(updating)).toEqual(nevras(FIRST + 71));

    // By now every host has fetched the base again.
    engine.clock.nowMs += 2 * MINUTE_MS;
    await publish(1);
    const state = await engine.engine.state("dev", engine.heads.get("dev") ?? 0, TARGET);
    expect(state?.views.updates?.packages).toBe(12);
    await refreshOnly(updating, "tatara-dev");
    expect(await cached(updating)).toEqual(nevras(FIRST + 71));
    expect(await rebasing.list()).toEqual(nevras(FIRST + 72));
  });
});

async function refreshOnly(client: DnfClient, repo: string): Promise<void> {
  const only = ["--disablerepo=*", `--enablerepo=${repo}`, "--refresh", "makecache"];
  expect(await client.dnf(...only)).toMatchObject({ code: 0 });
}

/** As dnf prints them. */
function namesOf(packages: readonly { readonly nevra: string }[]): readonly string[] {
  return packages.map(({ nevra }) => nevra.replace(/-0:/, "-")).toSorted();
}

/** The client writes `skip_if_unavailable=0` behind the last section; here there are two. */
function strict(repoText: string): string {
  return repoText.replaceAll("enabled=1\n", "enabled=1\nskip_if_unavailable=0\n");
}
