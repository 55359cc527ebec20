import { link, mkdir, copyFile } from "node:fs/promises";
import { join } from "node:path";
import type { EndMessage, KeptMessage } from "../../../src/shared/build-messages.ts";
import type { LocalMessage } from "../../../src/shared/local-messages.ts";
import type { FaultMessage } from "../../../src/shared/worker-messages.ts";
import { jobLogs } from "../job-record.ts";
import type { JobRecord } from "../job-record.ts";
import { openStepLog } from "../log/step-log.ts";

export type JobEnd =
  | { readonly how: "end"; readonly message: EndMessage }
  | { readonly how: "fault"; readonly message: FaultMessage };

export interface LocalRecordDeps {
  /** The job's id; messages name it. */
  readonly job: string;
  readonly tell: (message: LocalMessage) => void;
  readonly files: LocalFiles;
  readonly project: string;
  readonly onEnd: (end: JobEnd) => void;
}

/** What a run's steps leave, by their content, for as long as the run's folder is there. */
export interface LocalFiles {
  put(file: { readonly sha256: string; readonly path: string }): Promise<void>;
  keep(project: string, files: KeptMessage["files"]): void;
  keptOf(
    project: string,
  ): readonly (KeptMessage["files"][number] & { readonly diskPath: string })[];
}

export function openLocalFiles(dir: string): LocalFiles {
  const kept = new Map<string, KeptMessage["files"]>();
  const pathOf = (sha256: string): string => join(dir, sha256);
  return {
    put: async ({ sha256, path }) => {
      await mkdir(dir, { recursive: true });
      await link(path, pathOf(sha256)).catch(async (err: unknown) => {
        // Known already, or on another disk.
        const isKnown = err instanceof Error && "code" in err && err.code === "EEXIST";
        if (!isKnown) await copyFile(path, pathOf(sha256));
      });
    },
    keep: (project, files) => void kept.set(project, [...(kept.get(project) ?? []), ...files]),
    keptOf: (project) =>
      (kept.get(project) ?? []).map((file) => ({ ...file, diskPath: pathOf(file.sha256) })),
  };
}

/** The record of a job that no server knows: what happens is said as lines, files stay here. */
export function localRecord({ job, tell, files, project, onEnd }: LocalRecordDeps): JobRecord {
  let told: Promise<void> = Promise.resolve();
  const say = (work: () => Promise<void> | void): void => {
    told = told.then(work);
  };
  const logs = jobLogs((name) =>
    openStepLog([], () =>
      Promise.resolve(lineSpool((text) => tell({ kind: "log", job, step: name, text }))),
    ),
  );
  return {
    log: logs.of,
    plan: () => Promise.reject(new Error("A local run is planned before its first job.")),
    step: (name, message) =>
      say(async () => {
        if (message.state !== "running") await logs.end(name);
        tell({ kind: "step", job, step: name, message });
      }),
    kept: (step, message) =>
      say(() => {
        files.keep(project, message.files);
        tell({ kind: "kept", job, step, message });
      }),
    reports: () => undefined,
    upload: (file) => files.put(file),
    fetchKept: () => Promise.resolve(files.keptOf(project)),
    end: async (message) => {
      await told;
      onEnd({ how: "end", message });
    },
    fault: async (message) => {
      await told;
      onEnd({ how: "fault", message });
    },
    handBack: () => Promise.resolve(),
    close: async () => {
      await told;
      await logs.close();
    },
  };
}

/** Nobody is far away: bytes go on as they come, whole characters at a time. */
function lineSpool(tell: (text: string) => void) {
  const decoder = new TextDecoder();
  const pass = (text: string): void => {
    if (text !== "") tell(text);
  };
  return {
    write: (bytes: Buffer) => Promise.resolve(pass(decoder.decode(bytes, { stream: true }))),
    drain: () => Promise.resolve(pass(decoder.decode())),
    sizeBytes: () => 0,
    resend: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
}
