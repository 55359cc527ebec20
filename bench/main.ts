import { parseArgs } from "node:util";

/** `npm run bench -- <suite>`: performance figures, each beside its peer in the same run. */
const SUITES: Readonly<
  Record<string, () => Promise<{ run: (options: BenchOptions) => Promise<object> }>>
> = {
  intake: () => import("./intake.ts"),
  line: () => import("./line.ts"),
  publish: () => import("./publish.ts"),
  client: () => import("./client.ts"),
  steps: () => import("./steps.ts"),
  cache: () => import("./cache.ts"),
  card: () => import("./card.ts"),
  queue: () => import("./queue.ts"),
  logs: () => import("./logs.ts"),
  check: () => import("./check.ts"),
  "yum-serve": () => import("./yum-serve.ts"),
};

export interface BenchOptions {
  /** Length of the measured part, where a suite is measured by time. */
  readonly seconds: number;
  /** Rounds, where a suite is measured by repetition. */
  readonly rounds: number;
  /** How large the channel is, where that matters. */
  readonly packages: number;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: "string", default: "10" },
    rounds: { type: "string", default: "12" },
    packages: { type: "string", default: "1000" },
  },
});
const [name = ""] = positionals;
const load = SUITES[name];
if (load === undefined) {
  process.stderr.write(`Which suite? One of: ${Object.keys(SUITES).join(", ")}\n`);
  process.exit(2);
}
const suite = await load();
const figures = await suite.run({
  seconds: Number(values.seconds),
  rounds: Number(values.rounds),
  packages: Number(values.packages),
});
// The last line is for programs; what stands above it is for people.
process.stdout.write(`${JSON.stringify({ suite: name, ...figures })}\n`);
process.exit(0);
