import type { ContainerEnd } from "../../../src/domain/step.ts";
import { containerFailure } from "../container-failure.ts";
import type { Container, Image } from "../engine.ts";
import { saveRpms } from "../rpm-files.ts";
import { firstFile } from "./archive-files.ts";
import { chooseBuilder } from "./builder.ts";
import type { Builder } from "./builder.ts";
import { explainFailure, noPackages, warningsIn } from "./explain.ts";
import { fetchSources } from "./fetch-sources.ts";
import { withTail } from "./log-tail.ts";
import type { TailedDeps } from "./log-tail.ts";
import { installRequirements, requirementsMissing } from "./requirements.ts";
import type { Installed } from "./requirements.ts";
import type {
  PackageDeps,
  PackageOutcome,
  PackageRequest,
  PreparedPackage,
} from "./package-types.ts";
import { runBefore } from "./run-before.ts";
import { commitTree } from "./source-tree.ts";
import type { SourceTree } from "./source-tree.ts";
import { BUILDER, PACKAGE_HOME, prepareInputs } from "./spec-inputs.ts";

/** Exit codes of build.sh beside those of rpmbuild. */
const REQUIREMENTS_MISSING = 67;
const SOURCES_BY_ADDRESS = 68;

/** So often more may turn out to be missing: once for the spec's own, then for what it computes. */
const ROUNDS_MAX = 10;
const LIST_BYTES_MAX = 1024 ** 2;

/** Chooses the builder and, where nothing has to run before, starts its container behind the gate. */
export async function preparePackage(
  request: PackageRequest,
  deps: PackageDeps,
  signal: AbortSignal,
): Promise<PreparedPackage> {
  const builder = await chooseBuilder(request, deps, signal);
  const step = { request, deps: withTail(deps), builder };
  if (needsWorkspace(request)) return { build: (until) => buildFromWorkspace(step, until) };
  const tree = commitTree(request.commit);
  const first = await openBuilder(
    step,
    { tree, image: builder.image, fetched: new Map(), round: 0 },
    signal,
  );
  return { build: (until) => buildRpms(step, { tree, first }, until) };
}

function needsWorkspace({ plan, hasKeptFiles }: PackageRequest): boolean {
  return plan.run !== null || hasKeptFiles;
}

interface PackageWork {
  readonly request: PackageRequest;
  readonly deps: TailedDeps;
  readonly builder: Builder;
}

/** `run`, and then the package out of what it left in the workspace. */
async function buildFromWorkspace(step: PackageWork, signal: AbortSignal): Promise<PackageOutcome> {
  const ran = await runBefore(step.request, step.deps, signal);
  try {
    if (ran.failure !== undefined) return { state: "failed", failure: ran.failure };
    const { image } = step.builder;
    const first = await openBuilder(
      step,
      { tree: ran.tree, image, fetched: new Map(), round: 0 },
      signal,
    );
    return await buildRpms(step, { tree: ran.tree, first }, signal);
  } finally {
    await ran.container.remove(signal);
  }
}

interface Round {
  readonly tree: SourceTree;
  readonly image: Image;
  readonly fetched: ReadonlyMap<string, Buffer>;
  readonly round: number;
}

interface OpenRound extends Round {
  readonly container: Container;
}

/** A container that has everything it needs and waits for its gate to be opened. */
async function openBuilder(
  step: PackageWork,
  round: Round,
  signal: AbortSignal,
): Promise<OpenRound> {
  const { request, deps, builder } = step;
  const { plan } = request;
  const inputs = await prepareInputs(
    {
      ...request,
      builtFor: builder.target,
      tree: round.tree,
      scripts: deps.scripts,
      fetched: round.fetched,
    },
    signal,
  );
  const container = await deps.engine.createContainer(
    {
      owner: deps.owner(round.round === 0 ? "" : `AGAIN.${round.round}`),
      image: round.image,
      command: ["sh", `${PACKAGE_HOME}/in/build.sh`],
      env: {
        ...deps.env({ home: `${PACKAGE_HOME}/home`, workspace: "", target: builder.target }),
        LC_ALL: "C.UTF-8",
      },
      secrets: deps.secrets,
      workingDir: "/",
      user: `${BUILDER.uid}:${BUILDER.gid}`,
      volumes: {},
      network: plan.rpmbuildNetwork ? await deps.network("internet") : "none",
      privilege: "package",
      limits: deps.limits,
      gate: true,
    },
    signal,
  );
  await container.putArchive(inputs.open(signal), "/", signal);
  deps.say([
    ...(round.round === 0 && builder.note !== null ? [`tatara: ${builder.note}`] : []),
    ...(round.round === 0 ? inputs.notes : []),
  ]);
  await container.start(deps.write, signal);
  return { ...round, container };
}

/** Runs rpmbuild until nothing is missing any more, which is at once for most specs. */
async function buildRpms(
  step: PackageWork,
  { tree, first }: { readonly tree: SourceTree; readonly first: OpenRound },
  signal: AbortSignal,
): Promise<PackageOutcome> {
  const { request, deps } = step;
  const reused: string[] = [];
  let known: readonly string[] = [];
  let open = first;
  while (true) {
    deps.tail.clear();
    await open.container.openGate(signal);
    const end = await open.container.wait(signal);
    const code = end.how === "exited" ? end.code : undefined;
    const round = open.round + 1;
    if (code === SOURCES_BY_ADDRESS && open.fetched.size === 0) {
      const addresses = await readList(open.container, "addresses", signal);
      const wish = {
        image: open.image,
        addresses: `${addresses.join("\n")}\n`,
        specPath: specPathOf(request),
      };
      const fetched = await fetchSources(wish, deps, signal);
      open = await openBuilder(step, { tree, image: open.image, fetched, round }, signal);
      continue;
    }
    if (code === REQUIREMENTS_MISSING) {
      const missing = await readList(open.container, "requirements", signal);
      const isNew = missing.some((each) => !known.includes(each));
      if (!isNew || round > ROUNDS_MAX) return missingFailure(missing, request, code);
      known = [...new Set([...known, ...missing])].toSorted();
      deps.say([`tatara: the builder image lacks ${missing.join(", ")}`]);
      const installed = await install(step, { image: open.image, missing, round }, signal);
      if (installed.kind === "failed") return { state: "failed", failure: installed.failure };
      if (installed.isReused) reused.push(...missing);
      const { fetched } = open;
      open = await openBuilder(step, { tree, image: installed.image, fetched, round }, signal);
      continue;
    }
    return await endOf(step, open, { end, reused }, signal);
  }
}

async function install(
  { request, deps, builder }: PackageWork,
  {
    image,
    missing,
    round,
  }: { readonly image: Image; readonly missing: readonly string[]; readonly round: number },
  signal: AbortSignal,
): Promise<Installed> {
  const { plan } = request;
  const wish = {
    image,
    requirements: missing.toSorted(),
    repos: plan.repos,
    target: builder.target,
    specPath: specPathOf(request),
    round,
  };
  const installed = await installRequirements(wish, deps, signal);
  if (installed.kind === "installed" && installed.isReused) {
    deps.say(["tatara: an earlier build installed them already"]);
  }
  return installed;
}

function missingFailure(
  missing: readonly string[],
  request: PackageRequest,
  code: number,
): PackageOutcome {
  return { state: "failed", failure: requirementsMissing(missing, specPathOf(request), code) };
}

async function endOf(
  { request, deps, builder }: PackageWork,
  { container }: OpenRound,
  { end, reused }: { readonly end: ContainerEnd; readonly reused: readonly string[] },
  signal: AbortSignal,
): Promise<PackageOutcome> {
  const failure = containerFailure(request.plan.step, end, deps.limits);
  const log = deps.tail.text();
  if (failure)
    return { state: "failed", failure: explainFailure(failure, specPathOf(request), log) };
  const archive = await container.getArchive(`${PACKAGE_HOME}/out`, signal);
  const files = archive === undefined ? [] : await saveRpms(archive, deps.dir, signal);
  if (files.length === 0) return { state: "failed", failure: noPackages(specPathOf(request)) };
  return {
    state: "passed",
    files: files.map((file) => ({ ...file, target: builder.target })),
    warnings: warningsIn(log),
    note: null,
    reused: reused.length === 0 ? null : `build requirements: ${reused.join(", ")}`.slice(0, 300),
  };
}

/** The file that a failure is about. */
function specPathOf({ plan }: PackageRequest): string {
  return plan.source.kind === "spec" ? plan.source.path : ".tatara.yml";
}

async function readList(
  container: Container,
  name: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const archive = await container.getArchive(`${PACKAGE_HOME}/out/${name}`, signal);
  const bytes = archive === undefined ? undefined : await firstFile(archive, LIST_BYTES_MAX);
  const lines = (bytes ?? Buffer.alloc(0)).toString().split("\n");
  return lines.filter((line) => line !== "");
}
