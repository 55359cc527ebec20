import { setTimeout as delay } from "node:timers/promises";
import type { ApiClient } from "../api-client.ts";
import type { ApiBuild, ApiStatus } from "../api-types.ts";
import type { CommandContext } from "../command.ts";
import type { EngineApi } from "../engine-api.ts";
import { followBuild } from "../follow-build.ts";
import { failureLines, headerLine, shortSha } from "../show-build.ts";
import { stepPrinter } from "../step-printer.ts";
import { dnfInstall } from "./dnf-install.ts";
import { DemoFailed } from "./narrator.ts";
import type { Narrator } from "./narrator.ts";
import type { Sample } from "./sample.ts";

export const BASE_IMAGE = "tatara/base";
export const REPO = "acme/hello";
const PACKAGE = "hello";
const CHANNEL = "dev";
const STATUS_DEADLINE_MS = 30_000;
const STATUS_EVERY_MS = 50;

/** What every act of the demo needs. */
export interface Stage {
  readonly narrator: Narrator;
  readonly engine: EngineApi;
  readonly place: { readonly dir: string; readonly id: string };
}

export async function push(
  { narrator }: Stage,
  {
    sample,
    api,
    token,
  }: { readonly sample: Sample; readonly api: ApiClient; readonly token: string },
): Promise<ApiBuild> {
  const remote = { url: `${api.url}/git/${REPO}.git`, token };
  const startedAt = performance.now();
  const said = await narrator.timed("git push", () => sample.repo.push(remote, ["main"]));
  const tookMs = Math.round(performance.now() - startedAt);
  const number = Number(/build #(\d+)/.exec(said)?.[1]);
  if (!Number.isInteger(number)) throw new DemoFailed("git push: the server named no build", said);
  narrator.ok("git push", `main ${shortSha(sample.sha)}, accepted in ${tookMs} ms`);
  return api.build({ repo: REPO, number });
}

export async function follow(
  { printer, signal, now, flag }: CommandContext,
  { narrator }: Stage,
  { api, build }: { readonly api: ApiClient; readonly build: ApiBuild },
): Promise<ApiBuild> {
  const wordColumns = flag("fail") ? 8 : 6;
  const steps = stepPrinter({ printer, now, say: narrator.say, wordColumns });
  let last = build;
  let isTitled = false;
  narrator.say();
  try {
    await narrator.timed("build", async () => {
      for await (const next of followBuild(build, { api, signal })) {
        last = next;
        // Who wrote what is known once the worker has fetched the commit.
        if (!isTitled && next.message !== "") narrator.say(...headerLine(next));
        isTitled ||= next.message !== "";
        if (isTitled) steps.show(next);
      }
    });
    if (!isTitled) narrator.say(...headerLine(last));
    steps.show(last);
  } finally {
    steps.end();
  }
  narrator.say();
  return last;
}

export function checkFailure(
  { isJson }: CommandContext,
  { narrator }: Stage,
  { build, sample }: { readonly build: ApiBuild; readonly sample: Sample },
): void {
  const { failure, state } = build;
  if (state !== "failed" || failure === null) {
    throw new DemoFailed(`the build with the broken test is ${state}`, build.reason ?? "");
  }
  if (!isJson) for (const line of failureLines(failure)) narrator.say(...line);
  narrator.say();
  const { test, file, line } = sample.broken ?? { test: "", file: "", line: 0 };
  const isNamed = failure.title.includes(test) && failure.file === file && failure.line === line;
  if (!isNamed) throw new DemoFailed(`the failure card does not name "${test}" at ${file}:${line}`);
  narrator.ok("named", `"${test}" at ${file}:${line}`);
}

export async function install(
  { narrator, engine, place }: Stage,
  {
    build,
    url,
    signal,
  }: { readonly build: ApiBuild; readonly url: string; readonly signal: AbortSignal },
): Promise<void> {
  if (build.state !== "passed") {
    const why = build.failure === null ? (build.reason ?? "") : build.failure.excerpt;
    throw new DemoFailed(`the build is ${build.state}: ${build.failure?.title ?? ""}`, why);
  }
  const response = await fetch(`${url}/yum/${CHANNEL}.repo`, { signal });
  const repoFile = await response.text();
  if (!response.ok) throw new DemoFailed(`the .repo file: ${response.status}`, repoFile);
  const checks = ["gpgcheck=1", "repo_gpgcheck=1"].filter((line) =>
    repoFile.split("\n").includes(line),
  );
  narrator.say(`dnf install ${PACKAGE}    fresh container, ${checks.join(" ")}`);

  const { exitCode, installed, version, output } = await narrator.timed("dnf install", () =>
    dnfInstall({ engine, image: BASE_IMAGE, repoFile, packageName: PACKAGE, demoId: place.id }),
  );
  if (exitCode !== 0 || installed === undefined) {
    throw new DemoFailed(`dnf install ended with status ${exitCode}`, output);
  }
  if (checks.length < 2)
    throw new DemoFailed("the .repo file does not ask for both checks", repoFile);
  if (!build.packages.some(({ nevra }) => nevra === installed)) {
    throw new DemoFailed(`${installed} was installed, which this build did not make`, output);
  }
  narrator.ok("installed", installed);
  const made = build.packages.find(({ nevra }) => nevra === installed);
  if (version !== made?.version) {
    throw new DemoFailed(`${PACKAGE} --version says ${version ?? "nothing"}`, output);
  }
  narrator.ok("runs", `${PACKAGE} --version -> ${version}`);
}

export async function waitForStatus(
  { narrator }: Stage,
  options: {
    readonly api: ApiClient;
    readonly sample: Sample;
    readonly signal: AbortSignal;
    readonly wanted: "success" | "failure";
  },
): Promise<ApiStatus> {
  const { api, sample, signal, wanted } = options;
  const endAt = performance.now() + STATUS_DEADLINE_MS;
  return narrator.timed("status", async () => {
    for (;;) {
      const statuses = await api.statuses(REPO, sample.sha);
      const status = statuses.find(
        ({ context, state }) => context === "tatara" && state === wanted,
      );
      if (status !== undefined) {
        narrator.ok("status", `tatara: ${status.state} "${status.description ?? ""}"`);
        return status;
      }
      if (performance.now() > endAt) {
        throw new DemoFailed(`the commit has no status ${wanted}`, JSON.stringify(statuses));
      }
      await delay(STATUS_EVERY_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  });
}
