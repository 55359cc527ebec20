import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ApiBuild, ApiStatus } from "../../src/cli/api-types.ts";
import { dnfClient } from "../support/dnf-client.ts";
import {
  EXAMPLE_DEADLINE_MS,
  HOST_IMAGE,
  buildHostImage,
  exampleRepo,
  hostTargets,
  liveOnHost,
} from "../support/example-life.ts";
import { tataraAt } from "../support/run-tatara.ts";
import type { Example } from "../support/example-life.ts";
import { startTatara } from "../support/start-tatara.ts";
import type { Tatara } from "../support/start-tatara.ts";
import { waitForStatus } from "../support/wait-for.ts";

// What downloads most comes first: three go side by side.
const EXAMPLES: readonly Example[] = [
  {
    folder: "words-go",
    packageName: "words",
    tries: ["echo one two | words; words --version", /^2\n0\.1\.0~dev\.\d\.g[0-9a-f]{7}\n$/],
  },
  {
    folder: "area-autotools",
    packageName: "area",
    makes: ["area", "area-debuginfo"],
    tries: ["area 3 4", "12\n"],
  },
  { folder: "tally-python", packageName: "tally", tries: ["printf '1\\n2.5\\n' | tally", "3.5\n"] },
  { folder: "hello-c", packageName: "hello", tries: ["hello --version", "1.0.0\n"] },
  {
    folder: "snapshot-shell",
    packageName: "snapshot",
    tries: [
      [
        "echo iron > /srv/sand",
        "echo 'from=/srv to=/var/lib/snapshot keep=1' > /tmp/conf",
        "runuser --user snapshot -- snapshot /tmp/conf",
        "tar --to-stdout -xzf /var/lib/snapshot/*.tar.gz ./sand",
        "systemctl is-enabled snapshot.timer",
        "stat --format '%U %G %a' /var/lib/snapshot /etc/snapshot.conf",
        "rm /srv/sand /var/lib/snapshot/*",
      ].join("\n"),
      "iron\nenabled\nsnapshot snapshot 750\nroot snapshot 640\n",
    ],
    config: {
      onHost: "/etc/snapshot.conf",
      inRepo: "snapshot.conf",
      next: "from=/home\nto=/var/lib/snapshot\nkeep=14\n",
    },
    user: "snapshot",
  },
];

const GREETER: Example = {
  folder: "greeter-node",
  packageName: "greeter",
  tries: [
    [
      "greeter --version",
      `node -e 'console.log(require("/usr/lib/greeter/greet.js").greet("Ann"))'`,
      "systemctl is-enabled greeter",
    ].join("\n"),
    "1\nHello, Ann\nenabled\n",
  ],
  config: {
    onHost: "/etc/greeter/config.json",
    inRepo: "packaging/config.json",
    next: '{ "port": 8001, "language": "de" }\n',
  },
  user: "greeter",
  target: "debian11.x86_64",
};

let tatara: Tatara;
let hostImage: AsyncDisposable;
beforeAll(async () => {
  const TATARA_TARGETS = hostTargets("debian12.x86_64", "debian11.x86_64");
  const env = { TATARA_BUILD_SLOTS: "3", TATARA_TARGETS };
  [tatara, hostImage] = await Promise.all([startTatara({ env }), buildHostImage()]);
});
afterAll(async () => {
  await tatara[Symbol.asyncDispose]();
  await hostImage[Symbol.asyncDispose]();
});

test.concurrent("greeter-node: matrix, service, no spec, two targets, three channels", async () => {
  const repo = await exampleRepo(tatara, GREETER.folder);
  const file = await readFile(join(repo.dir, ".tatara.yml"), "utf8");
  const twoTargets = file.replace("  arch:", "  for: [debian12, debian11]\n  arch:");
  await repo.commit({ ".tatara.yml": twoTargets }, "two targets");
  await repo.push();
  const build = await passed("acme/greeter-node#1");
  expect(jobsOf(build)).toEqual([
    "debian12.x86_64 passed: checkout, image, image db, lint, unit (language en, store memory), unit (language en, store db), unit (language de, store memory), package",
    "debian11.x86_64 passed: checkout, package",
    "debian12.x86_64 verify passed: verify",
    "debian11.x86_64 verify passed: verify",
  ]);

  await liveOnHost(tatara, repo, GREETER);

  await repo.git(["tag", "v1.4.0"]);
  await repo.push("v1.4.0");
  await passed("acme/greeter-node#3");
  const promote = ["promote", "--build", "acme/greeter-node#3", "--to", "stable", "--yes"];
  const cli = tataraAt({ url: tatara.url, adminToken: tatara.token });
  expect(await cli(promote)).toMatchObject({ code: 0 });
  for (const channel of ["testing", "stable"]) {
    const repoUrl = `${tatara.url}/yum/${channel}.repo?target=debian12.x86_64`;
    await using host = await dnfClient({ repoUrl, image: HOST_IMAGE });
    expect(await host.list()).toEqual(["greeter-1.4.0-1.debian12.noarch"]);
    expect(await host.install("greeter")).toMatchObject({ code: 0 });
  }
});

test.concurrent.each(EXAMPLES)(
  "$folder: built, tested, packaged, verified, installed, upgraded, removed",
  async (example) => {
    const repo = await exampleRepo(tatara, example.folder);
    await repo.push();
    const { packages } = await passed(`${repo.name}#1`);
    const names = new Set(packages.map(({ name }) => name));
    expect([...names].toSorted()).toEqual(example.makes ?? [example.packageName]);

    await liveOnHost(tatara, repo, example);
  },
);

test.concurrent("several-projects: a push runs what it concerns; the commit has one status", async () => {
  const repo = await exampleRepo(tatara, "several-projects");
  const push = async (number: number, path: string) => {
    const sha = await repo.commit({ [path]: "changed\n" });
    await repo.push();
    const build = await passed(`${repo.name}#${number}`);
    const { description } = await waitForStatus(tatara, repo.name, sha, "success");
    const statuses = await tatara.api(`/api/repos/${repo.name}/statuses/${sha}`);
    expect(new Set((statuses as ApiStatus[]).map(({ context }) => context)).size).toBe(1);
    return [description, ...jobsOf(build).filter((job) => !job.endsWith("skipped"))];
  };
  const [common, api, agent, docs] = [
    "common debian12.x86_64 passed: checkout, image, test",
    "api debian12.x86_64 passed: checkout, image, test, package",
    "agent debian12.x86_64 passed: checkout, image, unit, e2e, package",
    "docs debian12.x86_64 passed: checkout, image, test",
  ];
  const verified = ["api", "agent"].map((name) => `${name} debian12.x86_64 verify passed: verify`);

  const all = await push(1, "build/rules");
  const one = await push(2, "services/api/NOTES");
  const shared = await push(3, "libs/common/NOTES");
  const words = await push(4, "docs/NOTES");

  expect(all).toEqual(["passed; published to dev", common, api, agent, docs, ...verified]);
  expect(one).toEqual(["passed; 1 of 4 projects ran; published to dev", api, verified[0]]);
  const three = "passed; 3 of 4 projects ran; published to dev";
  expect(shared).toEqual([three, common, api, agent, ...verified]);
  expect(words).toEqual(["passed; 1 of 4 projects ran", docs]);
  await using host = await dnfClient({
    repoUrl: `${tatara.url}/yum/dev.repo?target=debian12.x86_64`,
  });
  expect(await host.install("sample-api", "sample-agent")).toMatchObject({ code: 0 });
  expect(await host.installed("sample-api")).toEqual([
    expect.stringMatching(/^sample-api-1\.0\.0-1\.4\.g/),
  ]);
});

function passed(build: string): Promise<ApiBuild> {
  return tatara.until(build, "passed", EXAMPLE_DEADLINE_MS);
}

/** `debian12.x86_64 passed: checkout, image`: each job with its steps as pages show them. */
function jobsOf(build: ApiBuild): readonly string[] {
  const jobs = build.jobs as unknown as readonly ShownJob[];
  return jobs.map(({ name, state, steps }) => {
    const titles = steps.map(({ title }) => title).join(", ");
    return `${name} ${state}${titles === "" ? "" : `: ${titles}`}`;
  });
}

/** What the command line does not read. */
interface ShownJob {
  readonly name: string;
  readonly state: string;
  readonly steps: readonly { readonly title: string }[];
}
