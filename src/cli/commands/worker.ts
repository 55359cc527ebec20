import { setTimeout as delay } from "node:timers/promises";
import { connect } from "../api-client.ts";
import type { Command, CommandContext } from "../command.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import type { ExitCode } from "../exit-codes.ts";
import { answerJson } from "../json-answer.ts";
import { workerApi, type ApiWorker } from "../worker-api.ts";

const LOOK_EVERY_MS = 1_000;
const HELP = "tatara help worker";

export const worker: Command = {
  name: "worker",
  usage: "[list | drain <worker> | resume <worker> | forget <worker>]",
  summary: "Who builds and publishes; takes one out of service before its machine is restarted.",
  examples: [
    ["tatara worker", "which there are, what they run, which versions they are"],
    ["tatara worker drain worker-2 --note 'disk swap'", "takes nothing more; waits for what runs"],
    ["tatara worker drain worker-2 --now", "what runs is queued again for others, at once"],
    ["tatara worker drain worker-2 --no-wait", "says it and returns"],
    ["tatara worker resume worker-2", "takes work again"],
    ["tatara worker forget worker-2", "off the list: its machine is gone for good"],
  ],
  options: {
    note: { type: "string", value: "text", help: "drain: why, for those who wonder" },
    now: { type: "boolean", help: "drain: hand back what runs instead of waiting for it" },
    "no-wait": { type: "boolean", help: "drain: do not wait until nothing runs any more" },
  },
  positionalsMax: 2,
  run: async (context) => {
    const [action = "list", name] = context.positionals;
    if (action === "list" && name === undefined) return await list(context);
    if (action === "list") throw new CommandError(EXIT.usage, "`worker list` takes no name.", HELP);
    const act = { drain, resume, forget }[action];
    if (act === undefined) {
      const there = "list, drain, resume, forget";
      throw new CommandError(EXIT.usage, `There is no \`worker ${action}\`: ${there}.`, HELP);
    }
    if (name === undefined) {
      throw new CommandError(EXIT.usage, "Which worker?", "`tatara worker` lists them");
    }
    return await act(context, name);
  },
};

async function list(context: CommandContext): Promise<ExitCode> {
  const workers = await workerApi(await connect(context.env, context.signal)).list();
  const columns = Math.max(0, ...workers.map(({ id }) => id.length));
  for (const one of workers) {
    if (context.isJson) answerJson(context, one);
    else context.printer.answer(`  ${one.id.padEnd(columns)}   ${lineOf(one)}`);
  }
  if (workers.length === 0) context.printer.progress("No worker has asked for work yet.");
  return EXIT.ok;
}

/** `build    working    1 running   2 slots, 0.1.0` */
function lineOf({ kind, state, says, slots, version }: ApiWorker): string {
  const facts = [slots === null ? "" : `${slots} slots`, version ?? ""].filter((one) => one !== "");
  return `${kind.padEnd(7)}   ${state.padEnd(8)}   ${says}   ${facts.join(", ")}`.trimEnd();
}

async function drain(context: CommandContext, name: string): Promise<ExitCode> {
  const api = workerApi(await connect(context.env, context.signal));
  const note = context.text("note");
  const { id } = await find(api, name);
  let seen = await api.drain(id, { now: context.flag("now"), ...(note !== undefined && { note }) });
  if (!context.flag("no-wait")) seen = await untilDrained(context, api, seen);
  if (context.isJson) answerJson(context, seen);
  else context.printer.answer(`${id}: ${seen.says}`);
  return EXIT.ok;
}

/** The drain goes on without us: whoever stops waiting has stopped nothing. */
async function untilDrained(
  { printer, signal }: CommandContext,
  api: ReturnType<typeof workerApi>,
  first: ApiWorker,
): Promise<ApiWorker> {
  let seen = first;
  let told = "";
  while (seen.state === "draining") {
    const left = `${seen.id}: ${seen.running} left ...`;
    if (left !== told) printer.progress(left);
    told = left;
    try {
      await delay(LOOK_EVERY_MS, undefined, { signal });
      seen = await find(api, first.id);
    } catch (err) {
      if (signal.aborted) printer.complain(`${seen.id}: the drain goes on, ${undo(seen.id)}`);
      throw err;
    }
  }
  return seen;
}

function undo(id: string): string {
  return `until \`tatara worker resume ${id}\``;
}

async function resume(context: CommandContext, name: string): Promise<ExitCode> {
  const api = workerApi(await connect(context.env, context.signal));
  const { id, state } = await find(api, name);
  const seen = await api.resume(id);
  const wasAtWork = ["working", "away", "in-trouble"].includes(state);
  if (context.isJson) answerJson(context, seen);
  else context.printer.answer(`${id}: ${wasAtWork ? "was not drained" : "takes work again"}`);
  return EXIT.ok;
}

async function forget(context: CommandContext, name: string): Promise<ExitCode> {
  const api = workerApi(await connect(context.env, context.signal));
  const { id } = await find(api, name);
  await api.forget(id);
  if (context.isJson) answerJson(context, { id, result: "forgotten" });
  else context.printer.answer(`${id}: forgotten`);
  return EXIT.ok;
}

/** By its id, or by the beginning of it that only one has. */
async function find(api: ReturnType<typeof workerApi>, name: string): Promise<ApiWorker> {
  const all = await api.list();
  const found = all.filter(({ id }) => id.startsWith(name));
  const exact = all.find(({ id }) => id === name) ?? (found.length === 1 ? found[0] : undefined);
  if (exact !== undefined) return exact;
  const names = (found.length > 1 ? found : all).map(({ id }) => id).join(", ");
  const problem =
    found.length > 1 ? `Several workers begin with ${name}.` : `There is no worker ${name}.`;
  throw new CommandError(
    EXIT.notFound,
    problem,
    names === "" ? "none has asked for work yet" : `there are: ${names}`,
  );
}
