import type { State } from "../../src/domain/states.ts";
import { tinyRepo, type SampleFiles } from "../support/sample-files.ts";

/** What a push is about, which decides how its builds may end. */
export type PushKind = "passing" | "failing" | "skipped";

/** How a build of this kind may end when nobody cancels it and its worker is not lost too often. */
export const WANTED_STATE = {
  passing: "passed",
  failing: "failed",
  skipped: "skipped",
} as const satisfies Record<PushKind, State>;

export const LOG_LINES = 60;

/** The same image twice: what a target is, is in its name. */
export const TARGETS = ["debian12.x86_64", "el9.x86_64"] as const;
export const TATARA_TARGETS = TARGETS.map((target) => `${target}=tatara/base`).join("; ");

/** What the repositories use of a pipeline file. */
interface Shape {
  readonly pipeline: (run: string) => string;
  /** How many test steps a build of it has. */
  readonly tests: number;
  /** The `RUN` line of its Dockerfile, before what is its own. */
  readonly run?: string;
  /** How many files a passed build keeps, each with the push's number in it. */
  readonly kept: number;
}

const PLAIN: Shape = {
  pipeline: (run) => file(`test: ${run}`, "verify: false"),
  tests: 1,
  kept: 0,
};

const VERIFIED: Shape = { ...PLAIN, pipeline: (run) => file(`test: ${run}`, "verify: true") };

/** No `%{?dist}`: the packages of both targets have one name. */
const TWO_TARGETS: Shape = {
  ...PLAIN,
  pipeline: (run) => file(`test: ${run}`, 'release: "7", for: [debian12, el9]'),
};

const WITH_SERVICE: Shape = {
  pipeline: (run) => {
    const db = 'services:\n  db: { image: tatara/base, command: [sleep, "600"], ready: "true" }\n';
    const unit = `matrix: { half: [left, right] }\n    services: [db]\n    keep: out.txt`;
    return db + file(`test:\n  unit:\n    run: ${run}\n    ${unit}`, "verify: false");
  },
  tests: 2,
  kept: 2,
};

/** Only BuildKit can build it. */
const BUILDKIT: Shape = { ...PLAIN, run: "RUN --mount=type=cache,target=/var/cache/own" };

export const CANARY_NAME = "TORTURE_CANARY";

/** Prints its secret as it is and in spellings that the masker knows, then does the usual. */
const WITH_SECRET: Shape = {
  ...PLAIN,
  pipeline: (run) => {
    const said = `echo "it is $${CANARY_NAME}"; printf %s "$${CANARY_NAME}" | base64 -w0; echo; `;
    const text = JSON.stringify(said + (JSON.parse(run) as string));
    const unit = `    run: ${text}\n    secrets: { ${CANARY_NAME}: env }`;
    return file(`test:\n  unit:\n${unit}`, "verify: false");
  },
};

const SHAPES: Readonly<Record<string, Shape>> = {
  "own/one": PLAIN,
  "own/two": VERIFIED,
  "own/verified": VERIFIED,
  "own/verified-too": VERIFIED,
  "hub/one": TWO_TARGETS,
  "hub/two": WITH_SERVICE,
  // Of the suite of disk faults, which writes its own file.
  "disk/tiny": { ...PLAIN, kept: 1 },
  "own/canary": WITH_SECRET,
  "own/kit": BUILDKIT,
  "own/kit-too": BUILDKIT,
};

export function shapeOf(repo: string): Shape {
  return SHAPES[repo] ?? PLAIN;
}

/** A package of its own per repo, a version of its own per push: each build has its own NEVRA. */
export function samplePush(repo: string, serial: number, kind: PushKind) {
  const name = `tiny-${repo.replaceAll("/", "-")}`;
  const count = `i=0; while [ $i -lt ${LOG_LINES} ]; do i=$((i+1)); echo "line $i"; sleep 0.02; done`;
  const run = `${count}; echo ${serial} > out.txt${kind === "failing" ? "; exit 3" : ""}`;
  const files = tinyRepo({
    // Layers of its own: an image from the cache would leave no time to be killed in.
    dockerfile: `FROM tatara/base\n${shapeOf(repo).run ?? "RUN"} echo ${name} ${serial} && sleep 0.3\n`,
    build: `echo ${serial}; sleep 0.3`,
  });
  const spec = (files["tiny.spec"] ?? "")
    .replaceAll("tiny\n", `${name}\n`)
    .replace("Version: 1.0", `Version: 1.${serial}`);
  const pipeline = shapeOf(repo).pipeline(JSON.stringify(run));
  return {
    files: { ...files, ".tatara.yml": pipeline, "tiny.spec": spec } satisfies SampleFiles,
    message: kind === "skipped" ? `push ${serial} [skip ci]` : `push ${serial}`,
  };
}

function file(test: string, packaging: string): string {
  return `image: ./Dockerfile\n${test}\npackage: { spec: tiny.spec, ${packaging} }\npublish: dev\n`;
}
