import { Readable } from "node:stream";
import { pack } from "tar-stream";
import { InfraFault } from "../../../src/domain/faults.ts";
import type { PlannedVerify } from "../../../src/domain/job-spec.ts";
import type { StepFailure } from "../../../src/domain/step.ts";
import type { VerifyFacts } from "../../../src/shared/build-messages.ts";
import type { YumSource } from "../../../src/shared/config.ts";
import { containerFailure } from "../container-failure.ts";
import type { Container, ContainerLimits, Engine, Image, NetworkHandle, Owner } from "../engine.ts";
import { repoFiles } from "../verify/repo-files.ts";
import type { RepoFiles } from "../verify/repo-files.ts";
import type { YumRelay } from "../verify/yum-relay.ts";

const HOME = "tatara";
/** Exit codes of verify.sh: what the build's author hears. */
const ENDINGS: Readonly<Record<number, string>> = {
  70: "cannot be installed",
  71: "cannot be upgraded to",
  72: "does not do what the command asks",
  73: "cannot be removed",
  74: "cannot be tried",
};
const REPOSITORY_UNREADABLE = 75;
/** What to do first, by the same codes. */
const DNF_SAYS = "What dnf says names the cause: correct what the package requires or holds.";
const HINTS: Readonly<Record<number, string>> = {
  70: DNF_SAYS,
  71: DNF_SAYS,
  72: "Correct the command under `verify`, or what the package installs.",
  73: "What dnf says names the cause: look at the package's scripts for its removal.",
  74: "The target's image needs dnf, microdnf or yum: it is named in TATARA_TARGETS.",
};
const ELSE = "The end of the step's log says more.";

export interface VerifyWish {
  readonly rule: PlannedVerify;
  readonly facts: VerifyFacts;
  readonly target: string;
}

export interface VerifyDeps {
  readonly engine: Engine;
  readonly owner: Owner;
  /** A host of the target. */
  readonly image: Image;
  readonly network: NetworkHandle;
  /** Where the container finds the server's yum files. */
  readonly yum: Pick<YumRelay, "url" | "wasCutOff">;
  readonly yumSources: readonly YumSource[];
  readonly limits: ContainerLimits;
  /** Text of verify.sh. */
  readonly script: string;
  readonly log: {
    readonly say: (line: string) => void;
    readonly write: (chunk: Buffer) => void | Promise<void>;
    readonly read: () => string;
  };
}

export type VerifyOutcome =
  | { readonly state: "passed"; readonly note: string }
  | { readonly state: "failed"; readonly failure: StepFailure };

/** Installs, upgrades, tries and removes the build's packages in a clean container of the target. */
export async function verifyPackages(
  wish: VerifyWish,
  deps: VerifyDeps,
  signal: AbortSignal,
): Promise<VerifyOutcome> {
  const { rule, facts, target } = wish;
  const repos = await repoFiles(
    {
      url: deps.yum.url,
      target,
      channel: facts.channel,
      previous: rule.upgradeFrom === null ? facts.publishTo : [rule.upgradeFrom],
      extra: rule.repos,
      sources: deps.yumSources,
    },
    signal,
  );
  deps.log.say(`A clean container of ${target}; packages and metadata must be signed`);
  const container = await openContainer(wish, repos, deps, signal);
  const limits = limitsOf(wish, deps);
  const failure = containerFailure(rule.step, await container.wait(signal), limits);
  await container.remove(signal);
  if (failure && deps.yum.wasCutOff()) {
    // Whatever it ended with: nobody shall be blamed for a server that was away.
    throw new InfraFault("CANNOT_FETCH", `The server broke off while ${rule.step} ran.`);
  }
  if (failure) return { state: "failed", failure: explain(failure, wish, deps.log.read()) };
  const upgraded =
    repos.previous.length === 0 ? "" : `, upgraded from ${repos.previous.join(", ")}`;
  return { state: "passed", note: `installed in clean ${target}${upgraded}, removed` };
}

/** What the file asks for, up to what the operator of this worker allows. */
function limitsOf({ rule }: VerifyWish, { limits }: Pick<VerifyDeps, "limits">): ContainerLimits {
  return { ...limits, timeoutMs: Math.min(rule.timeoutMs, limits.timeoutMs) };
}

async function openContainer(
  wish: VerifyWish,
  repos: RepoFiles,
  { engine, owner, image, network, script, log, ...deps }: VerifyDeps,
  signal: AbortSignal,
): Promise<Container> {
  const container = await engine.createContainer(
    {
      owner,
      image,
      command: ["sh", `/${HOME}/in/verify.sh`],
      env: { LC_ALL: "C.UTF-8", HOME: "/root" },
      workingDir: "/",
      user: "0:0",
      volumes: {},
      network,
      privilege: "package",
      limits: limitsOf(wish, deps),
      gate: false,
    },
    signal,
  );
  const tar = pack();
  for (const name of [HOME, `${HOME}/in`, "etc", "etc/yum.repos.d"]) {
    tar.entry({ name, type: "directory", mode: 0o755 });
  }
  tar.entry({ name: `${HOME}/in/verify.sh`, mode: 0o644 }, script);
  tar.entry({ name: `${HOME}/in/facts`, mode: 0o644 }, shellFacts(wish, repos));
  for (const [name, text] of Object.entries(repos.files)) {
    tar.entry({ name: `etc/yum.repos.d/${name}`, mode: 0o644 }, text);
  }
  tar.finalize();
  await container.putArchive(Readable.from(tar, { objectMode: false }), "/", signal);
  await container.start(log.write, signal);
  return container;
}

function shellFacts({ rule, facts }: VerifyWish, { previous }: RepoFiles): string {
  const words = {
    nevras: facts.nevras.join(" "),
    names: [...new Set(facts.nevras.map(nameOf))].join(" "),
    channel: facts.channel,
    previous: previous.join(" "),
    command: rule.run ?? "",
  };
  const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
  return Object.entries(words)
    .map(([name, value]) => `${name}=${quote(value)}\n`)
    .join("");
}

/** `hello-tools` of `hello-tools-1.0-1.el9.x86_64`: what precedes version and release. */
function nameOf(nevra: string): string {
  return nevra.replace(/-[^-]+-[^-]+$/, "");
}

function explain(failure: StepFailure, wish: VerifyWish, log: string): StepFailure {
  const { exitCode } = failure;
  if (failure.code !== "STEP_FAILED") return failure;
  const distribution = wish.target.split(".")[0] ?? wish.target;
  const own = { code: "VERIFY_FAILED", file: null, line: null, exitCode } as const;
  const missing = /nothing provides (.+? needed by \S+)/.exec(log)?.[1];
  if (missing !== undefined) {
    const hint = "Add the source that has it to `repos` of the package.";
    return { ...own, message: `${distribution}: nothing provides ${missing}`, hint };
  }
  if (exitCode === REPOSITORY_UNREADABLE) {
    const hint = "See the step's log; the channel to upgrade from could not be read.";
    return { ...own, message: `${distribution}: a repository cannot be read`, hint };
  }
  const said = /^tatara: error: (.+)$/m.exec(log)?.[1] ?? lastError(log);
  const what = `${wish.rule.label} ${ENDINGS[exitCode ?? 0] ?? `was not verified: exit code ${exitCode}`}`;
  return {
    ...own,
    message: `${distribution}: ${what}${said === undefined ? "" : `: ${said}`}`,
    hint: `${HINTS[exitCode ?? 0] ?? ELSE} Nothing was published: hosts keep what they have.`,
  };
}

/** What dnf said last under `Error:`. */
function lastError(log: string): string | undefined {
  return log
    .match(/^(?:Error|error): ?(\S.*)$/gm)
    ?.at(-1)
    ?.replace(/^\w+: ?/, "");
}
