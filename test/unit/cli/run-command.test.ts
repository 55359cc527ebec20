import { expect, test } from "vitest";
import { Interrupted } from "../../../src/cli/command.ts";
import type { Command, CommandContext, CommandEntry } from "../../../src/cli/command.ts";
import { CommandError, EXIT, EXIT_MEANINGS, exitOfState } from "../../../src/cli/exit-codes.ts";
import { helpCommand } from "../../../src/cli/commands/help.ts";
import { answerJson } from "../../../src/cli/json-answer.ts";
import { durationMs, runCommand } from "../../../src/cli/run-command.ts";

test("options and arguments reach the command", async () => {
  const { exitCode, seen } = await run(["greet", "Ann", "--loud", "--limit", "3", "-q"]);

  expect(exitCode).toBe(0);
  expect(seen?.positionals).toEqual(["Ann"]);
  expect(seen?.flag("loud")).toBe(true);
  expect(seen?.text("limit")).toBe("3");
  expect(seen?.isJson).toBe(false);
});

test("--json picks fields when they are named, and does not eat the next argument", async () => {
  const whole = await run(["greet", "--json", "Ann"]);
  const picked = await run(["greet", "--json=name", "Ann"]);

  expect(JSON.parse(whole.stdout)).toEqual({ name: "Ann", length: 3 });
  expect(JSON.parse(picked.stdout)).toEqual({ name: "Ann" });
});

test("a field that is not there is named, with those that are", async () => {
  const { exitCode, stderr } = await run(["greet", "--json=age", "Ann"]);

  expect(exitCode).toBe(EXIT.usage);
  expect(stderr).toContain("No such field: age.");
  expect(stderr).toContain("name, length");
});

test.each([
  [["nonsense"], "There is no command nonsense."],
  [["greet", "--nonsense"], "Unknown option '--nonsense'"],
  [["greet", "Ann", "Bob"], "Unexpected argument 'Bob'"],
  [["greet", "--limit"], "argument missing"],
  [["greet", "--timeout", "soon"], "90s, 10m or 2h is expected"],
])("%o is wrong usage", async (argv, message) => {
  const { exitCode, stdout, stderr } = await run(argv);

  expect(exitCode).toBe(EXIT.usage);
  expect(stderr).toContain(message);
  expect(stdout).toBe("");
});

test("a command near to what was typed is offered", async () => {
  expect((await run(["gret"])).stderr).toContain("did you mean tatara greet");
});

test.each([[[]], [["help"]], [["--help"]], [["-h"]]])("%o lists the commands", async (argv) => {
  const { exitCode, stdout } = await run(argv);

  expect(exitCode).toBe(0);
  expect(stdout).toContain("greet     Greets.");
});

test.each([[["help", "greet"]], [["greet", "--help"]]])(
  "%o begins with examples and ends with the exit statuses",
  async (argv) => {
    const { stdout } = await run(argv);

    expect(stdout).toMatch(
      /^tatara greet \[name\]\n {2}Greets\.\n\n {2}tatara greet Ann +greets Ann/,
    );
    expect(stdout).toContain("--loud");
    for (const [code, meaning] of EXIT_MEANINGS)
      expect(stdout).toContain(`${String(code).padEnd(5)}${meaning}`);
  },
);

test("what a command throws decides the exit status", async () => {
  const thrown = async (err: unknown) => {
    const { exitCode } = await run(["greet"], async () => {
      throw err;
    });
    return exitCode;
  };

  expect(await thrown(new CommandError(EXIT.notFound, "no"))).toBe(3);
  expect(await thrown(new CommandError(EXIT.unreachable, "no"))).toBe(4);
  expect(await thrown(new Interrupted("SIGINT"))).toBe(130);
  expect(await thrown(new DOMException("over", "TimeoutError"))).toBe(124);
  expect(await thrown(new TypeError("a bug"))).toBe(5);
});

test("--timeout ends the command's signal", async () => {
  const { exitCode, stderr } = await run(["greet", "--timeout", "1s"], async ({ signal }) => {
    const { promise, reject } = Promise.withResolvers<never>();
    signal.addEventListener("abort", () => reject(signal.reason));
    return promise;
  });

  expect(exitCode).toBe(EXIT.timeout);
  expect(stderr).toContain("longer than --timeout");
});

test("durations have units, seconds without one", () => {
  expect(["90", "90s", "10m", "2h"].map(durationMs)).toEqual([90_000, 90_000, 600_000, 7_200_000]);
});

test("a verdict is an exit status", () => {
  const states = ["passed", "skipped", "failed", "errored", "cancelled"] as const;

  expect(states.map(exitOfState)).toEqual([0, 0, 1, 5, 6]);
});

async function run(argv: readonly string[], act?: Command["run"]) {
  const written = { stdout: "", stderr: "" };
  const seen: CommandContext[] = [];
  const greet: Command = {
    name: "greet",
    usage: "[name]",
    summary: "Greets.",
    examples: [["tatara greet Ann", "greets Ann"]],
    options: {
      loud: { type: "boolean", help: "louder" },
      limit: { type: "string", value: "count", help: "how many" },
    },
    positionalsMax: 1,
    run: async (context) => {
      seen.push(context);
      if (act !== undefined) return act(context);
      const [name = "nobody"] = context.positionals;
      if (context.isJson) answerJson(context, { name, length: name.length });
      return EXIT.ok;
    },
  };
  const commands: readonly CommandEntry[] = [
    { name: "greet", load: async () => greet },
    { name: "help", load: async () => helpCommand(() => commands) },
  ];
  const exitCode = await runCommand(commands, argv, {
    env: { LANG: "C.UTF-8" },
    cwd: "/",
    stdout: { write: (text) => (written.stdout += String(text)) },
    stderr: { write: (text) => (written.stderr += String(text)) },
    signal: new AbortController().signal,
    now: Date.now,
  });
  return { exitCode, ...written, seen: seen[0] };
}
