import { COMMANDS } from "../../src/cli/command-list.ts";
import { runCommand } from "../../src/cli/run-command.ts";
import type { Yum } from "./start-yum.ts";

export interface TataraEnd {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface TataraWorld {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** What the person types at each question; without it there is no terminal. */
  readonly typed?: string;
  readonly signal?: AbortSignal;
}

/** The command line against this server, in this process; without its data folder unless `env` says it. */
export function tataraAt(yum: Pick<Yum, "url" | "adminToken">) {
  return async (args: readonly string[], world: TataraWorld = {}): Promise<TataraEnd> => {
    const written = { stdout: "", stderr: "" };
    const { typed } = world;
    const code = await runCommand(COMMANDS, args, {
      env: {
        LANG: "C.UTF-8",
        TATARA_URL: yum.url,
        TATARA_TOKEN: yum.adminToken,
        TATARA_DATA_DIR: "/nonexistent",
        ...world.env,
      },
      cwd: world.cwd ?? "/",
      stdout: { write: (text) => (written.stdout += textOf(text)) },
      stderr: { write: (text) => (written.stderr += textOf(text)) },
      ...(typed === undefined
        ? {}
        : {
            ask: async (question: string) => {
              written.stderr += question;
              return typed;
            },
          }),
      signal: world.signal ?? AbortSignal.timeout(240_000),
      now: Date.now,
    });
    return { code, ...written };
  };
}

function textOf(text: string | Uint8Array): string {
  return typeof text === "string" ? text : Buffer.from(text).toString("utf8");
}
