import type { JobSpec, PlannedTest } from "../../src/domain/job-spec.ts";
import type { FoundCache } from "./cache/cache-store.ts";
import type { RestoredCache } from "./cache/step-cache.ts";
import type { Container, Image, NetworkHandle, WorkspaceHandle } from "./engine.ts";
import type { ContainerSpec } from "./engine.ts";
import { begin, inLife, ownerOf } from "./job.ts";
import type { Job } from "./job.ts";
import { directNames, egressOf } from "./job-networks.ts";
import type { JobNetworks } from "./job-networks.ts";
import type { KeptCopy } from "./keep/job-kept.ts";
import { keptTar } from "./keep/put-kept.ts";
import { readableSecrets, secretPaths, withheldSecrets } from "./secrets.ts";
import type { Commit } from "./source/commit.ts";
import { homeOf } from "./source/home-tar.ts";
import { repack } from "./source/tree-tar.ts";
import { stepEnvironment } from "./step-environment.ts";
import { boundLimits } from "./step-limits.ts";
import { prepareTest } from "./steps/test.ts";
import type { WaitingRoom } from "./waiting-room.ts";

export const TESTS_AT_ONCE_MAX = 4;
export const WORKSPACE = "/workspace";
/** Who `user: ci` is, in every image. */
const CI = { uid: 1000, gid: 1000, home: "/home/ci" } as const;

/** A test's container once it is there, whoever started it. */
export type TestContainer = Omit<Container, "start" | "openGate" | "putArchive">;

/** A test's container, which waits for its gate, and what is around it. */
export interface TestPlace {
  readonly container: TestContainer;
  /** As the engine knows whose it is. */
  readonly ownerStep: string;
  readonly image: Image;
  readonly network: NetworkHandle | "none";
  readonly limits: ContainerSpec["limits"];
  readonly warnings: readonly string[];
  /** A tar of what the step changed in the workspace; undefined where the engine cannot tell. */
  readonly openChanges: () => Promise<NodeJS.ReadableStream | undefined>;
  /** What its cache gave it. */
  readonly restored: KnownCache | undefined | null;
  /** Has it run the test. */
  readonly openGate: (signal: AbortSignal) => Promise<void>;
  /** Whose files the step may write. */
  readonly user: StepUser;
}

/** Of a restored cache, what is needed after the test. */
export interface KnownCache extends Pick<RestoredCache, "line" | "reuse"> {
  readonly found: { readonly entry: Pick<FoundCache["entry"], "makingMs"> } | undefined;
}

export interface StepUser {
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

/** `PKG_VERSION` and `PKG_RELEASE`, where they are known before the first step. */
export interface VersionVariables {
  readonly packageVersion: string;
  readonly packageRelease: string;
}

/** Containers in one image of the job, some of them started early. */
export interface Prepared {
  readonly image: Image;
  /** The container of a test, made now if it was not made early. */
  test(test: PlannedTest): Promise<TestPlace>;
  /** Makes none early any more: the job has another image. */
  abandon(): void;
}

export interface Ingredients {
  readonly spec: JobSpec;
  readonly commit: Commit;
  readonly networks: JobNetworks;
  /** Key of the image, which tests call it by. */
  readonly key: string;
  readonly image: Image;
  /** Told apart from an earlier preparation of the same job, in an image that it does not have. */
  readonly isSecond: boolean;
  readonly version: Promise<VersionVariables>;
  readonly waiting: WaitingRoom;
  /** Files of the tests that a test needs. */
  readonly kept: (test: PlannedTest) => readonly KeptCopy[];
  /** Puts a test's cache into its container; undefined: it has none. */
  readonly restore: (
    test: PlannedTest,
    image: Image,
    user: StepUser,
    container: Container,
  ) => Promise<RestoredCache | undefined>;
}

/**
 * Starts what the next tests of an image run in, while those before them run. Nothing of the user's
 * runs before its gate is opened. A test whose needs keep files is made when they are there.
 */
export function prepareTests(job: Job, ingredients: Ingredients): Prepared {
  const { spec, key, image, waiting } = ingredients;
  const { ended, adopted } = job.memory;
  const tests = spec.tests.filter(({ step, image: its, run }) => {
    return its === key && run !== null && !ended.has(step) && !adopted.has(step);
  });
  const workspaces = openWorkspaces(job, ingredients, tests);
  const open = (test: PlannedTest) => openTest(job, ingredients, workspaces(test), test);
  const keeping = new Set(spec.tests.flatMap(({ step, keep }) => (keep === null ? [] : [step])));
  const next = tests.filter(({ needs }) => !needs.some((need) => keeping.has(need)));
  const early = new Map<string, Promise<TestPlace>>();
  waiting.fill(() => {
    const test = next.shift();
    if (test === undefined) return undefined;
    const place = begin(job, open(test));
    early.set(test.step, place);
    return place;
  });
  return {
    image,
    test: (test) => {
      const place = early.get(test.step);
      if (place === undefined) {
        const index = next.indexOf(test);
        if (index !== -1) next.splice(index, 1);
        return open(test);
      }
      waiting.give();
      return place;
    },
    abandon: () => void next.splice(0),
  };
}

/** One for the steps of the image's own user, one for those of the user `ci`: files have an owner. */
function openWorkspaces(
  job: Job,
  ingredients: Ingredients,
  tests: readonly PlannedTest[],
): (test: PlannedTest) => Promise<WorkspaceHandle> {
  const known = new Map<PlannedTest["user"], Promise<WorkspaceHandle>>();
  const open = async (user: PlannedTest["user"]): Promise<WorkspaceHandle> => {
    const { commit, image, key, spec } = ingredients;
    const names = [
      "WORKSPACE",
      ...(spec.images[0]?.key === key ? [] : [key]),
      ...(user === "ci" ? ["CI"] : []),
    ];
    const options = {
      owner: ownerOf(job, inLife(job, nameIn(ingredients, names.join(".")))),
      image: user === "ci" ? { ...image, user: `${CI.uid}:${CI.gid}` } : image,
      tree: (owner: { uid: number; gid: number }) => repack(commit.openTree(job.signal), owner),
      steps: tests.filter((test) => test.user === user).map(({ step }) => step),
    };
    return await job.deps.engine.createWorkspace(options, job.signal);
  };
  for (const { user } of tests) if (!known.has(user)) known.set(user, begin(job, open(user)));
  return ({ user }) => {
    const opening = known.get(user);
    if (opening === undefined) throw new Error(`No workspace was made for the user "${user}".`);
    return opening;
  };
}

async function openTest(
  job: Job,
  ingredients: Ingredients,
  opening: Promise<WorkspaceHandle>,
  test: PlannedTest,
): Promise<TestPlace> {
  const { engine, limits: most } = job.deps;
  const { networks, image } = ingredients;
  if (test.run === null) throw new Error(`The step "${test.step}" has nothing to run.`);
  const egress = egressOf(job, test.network);
  const hasServices = test.services.length > 0;
  const [network, workspace, version] = await Promise.all([
    hasServices ? networks.own(test.step, egress) : networks.shared(egress),
    opening,
    ingredients.version,
  ]);
  const secrets = readableSecrets(job.grant, test.secrets);
  const user = test.user === "ci" ? CI : workspace;
  const { limits, warnings } = boundLimits(test, most);
  const workingDir = workingDirOf(test, image);
  const ownerStep = nameIn(ingredients, test.step);
  const spec = {
    owner: ownerOf(job, ownerStep),
    image,
    env: {
      ...directNames(network, test.services),
      ...testEnvironment(job, ingredients, test, { home: user.home, version }),
      ...secretPaths(secrets),
    },
    secrets,
    workingDir,
    volumes: { [workspace.volumeFor(test.step)]: WORKSPACE },
    network,
    privilege: "test",
    limits,
    ...(test.user === "ci" ? { user: `${CI.uid}:${CI.gid}` } : {}),
  } as const;
  const { write } = job.record.log(test.step);
  const { uid, gid, home } = user;
  const whose = { uid, gid, home };
  let restored: RestoredCache | undefined;
  const fill = async (made: Container): Promise<void> => {
    if (test.user === "ci") await made.putArchive(homeOf(CI), "/", job.signal);
    const kept = ingredients.kept(test);
    if (kept.length > 0) await made.putArchive(keptTar(kept, whose), WORKSPACE, job.signal);
    restored = await ingredients.restore(test, image, whose, made);
  };
  const deps = { engine, container: spec, write, fill };
  const container = await prepareTest(test.run, deps, job.signal);
  return {
    container,
    openGate: (signal) => container.openGate(signal),
    ownerStep,
    image,
    network,
    limits,
    warnings: [...warnings, ...withheldSecrets(job.grant, test.secrets)],
    user: whose,
    openChanges: async () => await workspace.changesOf?.(test.step, job.signal),
    restored,
  };
}

function nameIn({ isSecond }: Ingredients, name: string): string {
  return isSecond ? `${name}.SECOND` : name;
}

function workingDirOf({ dir }: PlannedTest, image: Image): string {
  if (dir.kind === "image") return image.workingDir || "/";
  return dir.path === "" ? WORKSPACE : `${WORKSPACE}/${dir.path}`;
}

/**
 * Params, the file's `env` and the matrix never replace what Tatara sets: the file's checks refuse
 * such names, and a param of such a name is ignored.
 */
function testEnvironment(
  { grant }: Job,
  { commit, spec }: Ingredients,
  { env, matrix, step }: PlannedTest,
  { home, version }: { readonly home: string; readonly version: VersionVariables },
): Readonly<Record<string, string>> {
  const { build } = grant;
  const { sha, committedAtSeconds } = commit;
  const { project, target, params } = spec;
  const own = { build, target, project, sha, committedAtSeconds, step, home };
  const workspace = WORKSPACE;
  return { ...params, ...env, ...matrix, ...stepEnvironment({ ...own, ...version, workspace }) };
}
