import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { makeKeyFile } from "../../support/key-folder.ts";
import type { Violation } from "../invariants/violation.ts";
import type { Outcome, SuiteOptions } from "../suite.ts";
import { unpackDebian } from "./debian-root.ts";
import type { DebianRoot } from "./debian-root.ts";
import { clientIn } from "./package-client.ts";
import type { ClientKind } from "./package-client.ts";
import { provePrograms } from "./readers.ts";
import { ABILITIES } from "./scenario.ts";
import type { Trial } from "./scenario.ts";
import { fetchServed } from "./served-files.ts";
import type { ServedTarget } from "./served-files.ts";
import { startWorld } from "./world.ts";
import type { World } from "./world.ts";

const exec = promisify(execFile);
/** The clients of each Debian; those of one take turns, since they share its root folder. */
const RELEASES: Readonly<Record<string, readonly ClientKind[]>> = {
  bookworm: ["dnf4", "zypper"],
  trixie: ["dnf4", "zypper"],
  sid: ["dnf5", "dnf4", "zypper"],
};
const PACKAGES: Readonly<Record<ClientKind, readonly string[]>> = {
  dnf4: ["dnf", "dnf-plugins-core"],
  dnf5: ["dnf5"],
  zypper: ["zypper"],
};
/** Bookworm's security update of dnf does not go together with its plugins. */
const NOT_THERE = new Set(["bookworm dnf-plugins-core"]);
const LARGE_PACKAGES = 2_600;

interface Round {
  readonly world: World;
  readonly otherKey: string;
  readonly served: { readonly folder: string; readonly targets: readonly ServedTarget[] };
  readonly tell: (line: string) => void;
  readonly fail: (figure: Violation["figure"], what: string) => void;
}

/**
 * Package managers and readers of three Debian releases on channels of every kind. `count` is how
 * often all is done over; nothing is left to chance, so the seed changes nothing.
 */
export async function runClientsSuite({ count, keep, tell }: SuiteOptions): Promise<Outcome> {
  const violations: Violation[] = [];
  const folder = await mkdtemp(join(tmpdir(), "tatara-clients-"));
  let accepted = 0;
  try {
    for (let round = 0; round < count; round += 1) {
      await using world = await startWorld({ large: LARGE_PACKAGES, keep });
      tell(`channels are published, the largest with ${world.large.length} packages`);
      const served = join(folder, `served-${round}`);
      const targets = await fetchServed(world, served);
      await copyFile(join(world.yum.dataDir, "yum/keys/tatara.asc"), join(served, "tatara.asc"));
      const key = await makeKeyFile(folder, { name: "Another" });
      const otherKey = await readFile(key.public, "utf8");
      const releases = Object.entries(RELEASES).map(([release, kinds]) =>
        tryRelease(release, kinds, {
          world,
          otherKey,
          served: { folder: served, targets },
          tell,
          fail: (figure, what) => violations.push({ figure, what }),
        }),
      );
      for (const done of await Promise.all(releases)) accepted += done;
    }
    return { accepted, violations };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Answers how many abilities were proved. */
async function tryRelease(
  release: string,
  kinds: readonly ClientKind[],
  round: Round,
): Promise<number> {
  const wanted = kinds.flatMap((kind) => PACKAGES[kind]);
  const there = wanted.filter((name) => !NOT_THERE.has(`${release} ${name}`));
  const readers = ["createrepo-c", "python3-createrepo-c"];
  await using root = await unpackDebian(release, [...there, ...readers]);
  let proved = 0;
  for (const kind of kinds) {
    const client = await clientIn(root, kind, release);
    proved += await tryClient({ client, world: round.world, otherKey: round.otherKey }, round);
  }
  await tryReaders(root, release, round);
  return proved;
}

async function tryClient(trial: Trial, { tell, fail }: Round): Promise<number> {
  const { client } = trial;
  const abilities = ABILITIES.filter(({ of }) => of === undefined || of.includes(client.kind));
  let proved = 0;
  for (const { title, prove } of abilities) {
    try {
      const limit = await prove(trial);
      if (typeof limit === "string") tell(`${client.title}: ${limit}`);
      proved += 1;
    } catch (err) {
      fail("clientFailures", `${client.title}: ${title}: ${messageOf(err)}`);
    }
  }
  tell(`${client.title}: ${proved} of ${abilities.length}`);
  return proved;
}

async function tryReaders(root: DebianRoot, release: string, round: Round): Promise<void> {
  const { folder, targets } = round.served;
  const inside = join(root.folder, "tmp/served");
  await mkdir(join(root.folder, "tmp/scratch"));
  await exec("cp", ["--archive", "--link", folder, inside]);
  const versions = await root.run("createrepo_c --version; rpm --version");
  const [createrepo = "", rpm = ""] = versions.stdout.match(/\d+\.\d+\.\d+(?:\.\d+)?/g) ?? [];
  const readers = {
    title: `createrepo_c ${createrepo} and rpm ${rpm} of ${release}`,
    readsZstd: !createrepo.startsWith("0."),
    folder: "/tmp/served",
    scratch: "/tmp/scratch",
    run: root.run,
  };
  const problems = await provePrograms(readers, targets, "/tmp/served/tatara.asc");
  for (const problem of problems) round.fail("broken", problem);
  round.tell(`${readers.title}: ${targets.length} targets, ${problems.length} problems`);
}

function messageOf(err: unknown): string {
  return err instanceof Error ? err.message : String(err);
}
