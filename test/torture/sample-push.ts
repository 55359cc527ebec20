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

/** A package of its own per repo, a version of its own per push: each build has its own NEVRA. */
export function samplePush(repo: string, serial: number, kind: PushKind) {
  const name = `tiny-${repo.replaceAll("/", "-")}`;
  const count = `i=0; while [ $i -lt ${LOG_LINES} ]; do i=$((i+1)); echo "line $i"; sleep 0.02; done`;
  const files = tinyRepo({
    // Layers of its own: an image from the cache would leave no time to be killed in.
    dockerfile: `FROM tatara/base\nRUN echo ${name} ${serial} && sleep 0.3\n`,
    test: kind === "failing" ? `${count}; exit 3` : count,
    build: `echo ${serial}; sleep 0.3`,
  });
  const spec = (files["tiny.spec"] ?? "")
    .replace("Name: tiny", `Name: ${name}`)
    .replace("Version: 1.0", `Version: 1.${serial}`);
  return {
    files: { ...files, "tiny.spec": spec } satisfies SampleFiles,
    message: kind === "skipped" ? `push ${serial} [skip ci]` : `push ${serial}`,
  };
}
