import { connect } from "../api-client.ts";
import type { ApiBuild } from "../api-types.ts";
import { REPO_OPTION } from "../command.ts";
import type { Command } from "../command.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import { findBuild } from "../find-build.ts";

export const log: Command = {
  name: "log",
  usage: "[build] [step]",
  summary: "What the commands of a build printed.",
  examples: [
    ["tatara log", "all steps of the newest build of this branch"],
    ["tatara log 12 test", "the step `test` of build 12"],
    ["tatara log 12 --failed", "only the step that failed"],
    ["tatara log 12 --attempt 1", "what a lost attempt had printed"],
  ],
  options: {
    repo: REPO_OPTION,
    failed: { type: "boolean", help: "the step that failed" },
    target: { type: "string", value: "target", help: "the job of this target (the first one)" },
    attempt: { type: "string", value: "number", help: "an earlier attempt (the newest one)" },
  },
  positionalsMax: 2,
  run: async (context) => {
    const { printer, positionals, signal, env } = context;
    const api = await connect(env, signal);
    const build = await findBuild(context, api, positionals[0]);
    const step = positionals[1] ?? (context.flag("failed") ? failedStep(build) : undefined);
    const job = jobOf(build, context.text("target"));
    const query = {
      ...(job === undefined ? {} : { job }),
      ...(step === undefined ? {} : { step }),
      ...attemptOf(context.text("attempt")),
    };

    const bytes = await api.log(build.id, query);
    if (context.isJson) {
      const text = await new Response(bytes).text();
      printer.json({ build: build.id, step: step ?? null, text });
    } else {
      for await (const chunk of bytes) printer.bytes(chunk);
    }
    return EXIT.ok;
  },
};

function attemptOf(given: string | undefined): { readonly attempt?: string } {
  if (given === undefined) return {};
  if (/^[1-9]\d{0,5}$/.test(given)) return { attempt: given };
  throw new CommandError(EXIT.usage, `${given} is no attempt.`, "a number from 1: --attempt 1");
}

function failedStep(build: ApiBuild): string {
  const steps = build.jobs.flatMap((job) => job.steps);
  const failed = steps.find(({ state }) => state === "failed" || state === "errored");
  if (failed !== undefined) return failed.name;
  throw new CommandError(EXIT.notFound, `No step of ${build.repo} #${build.number} failed.`);
}

function jobOf(build: ApiBuild, target: string | undefined): string | undefined {
  if (target === undefined) return undefined;
  const job = build.jobs.find((one) => one.target === target);
  if (job !== undefined) return job.id;
  const targets = build.jobs.map((one) => one.target ?? "none yet").join(", ");
  throw new CommandError(
    EXIT.notFound,
    `The build has no job for ${target}.`,
    `its targets: ${targets}`,
  );
}
