import { join } from "node:path";
import { INSTALL_DIR, PROCESSES } from "../../../src/cli/processes/process-table.ts";
import type {
  ProcessName,
  ProcessSpec,
  ProcessTable,
} from "../../../src/cli/processes/process-table.ts";

export type Version = "old" | "new";
export type Upgraded = Exclude<ProcessName, "redis">;

/** Which version each process is of when it is started the next time. */
export interface Versions {
  readonly table: ProcessTable;
  of(process: Upgraded): Version;
  set(process: Upgraded, version: Version): void;
}

/** All of them begin with the version that is installed in `oldDir`. */
export function versionsOf(oldDir: string): Versions {
  const chosen = new Map<string, Version>();
  const switchable = <Name extends ProcessName>(spec: ProcessSpec<Name>): ProcessSpec<Name> => ({
    name: spec.name,
    settings: spec.settings,
    get script() {
      if (chosen.get(spec.name) === "new") return spec.script;
      return join(oldDir, spec.script.slice(INSTALL_DIR.length));
    },
  });
  return {
    table: { server: switchable(PROCESSES.server), workers: PROCESSES.workers.map(switchable) },
    of: (process) => chosen.get(process) ?? "old",
    set: (process, version) => void chosen.set(process, version),
  };
}
