import type { State } from "../domain/states.ts";

/** What each exit status means; documented in `tatara help exit-status`. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  unreachable: 4,
  errored: 5,
  cancelled: 6,
  timeout: 124,
  interrupted: 130,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export const EXIT_MEANINGS: readonly (readonly [ExitCode, string])[] = [
  [EXIT.ok, "done; the build passed or was skipped"],
  [EXIT.failed, "the build failed, or a change was refused; doctor or verify found failures"],
  [EXIT.usage, "wrong usage, or something needed is missing and the command for it was printed"],
  [EXIT.notFound, "not found, or no permission"],
  [EXIT.unreachable, "the server cannot be reached"],
  [EXIT.errored, "the build errored: the system failed, not the code"],
  [EXIT.cancelled, "the build was cancelled"],
  [EXIT.timeout, "waited longer than --timeout"],
  [EXIT.interrupted, "interrupted; the build goes on"],
];

// A state that is not final has no verdict yet, so asking for one is the caller's mistake.
const EXIT_OF_STATE = {
  queued: EXIT.ok,
  running: EXIT.ok,
  passed: EXIT.ok,
  skipped: EXIT.ok,
  failed: EXIT.failed,
  errored: EXIT.errored,
  cancelled: EXIT.cancelled,
} as const satisfies Record<State, ExitCode>;

export function exitOfState(state: State): ExitCode {
  return EXIT_OF_STATE[state];
}

/** Ends the command with a message for the person at the terminal. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly exitCode: ExitCode;
  readonly hint: string | undefined;

  constructor(exitCode: ExitCode, message: string, hint?: string) {
    super(message);
    this.exitCode = exitCode;
    this.hint = hint;
  }
}
