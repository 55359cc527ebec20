import { isSecretName } from "../../domain/secret-rules.ts";
import { connect } from "../api-client.ts";
import { REPO_OPTION } from "../command.ts";
import type { Command, CommandContext } from "../command.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import type { ExitCode } from "../exit-codes.ts";
import { answerJson } from "../json-answer.ts";
import { triggerApi, type ApiSecret } from "../trigger-api.ts";
import { wantedRepo } from "../wanted-repo.ts";

export const secret: Command = {
  name: "secret",
  usage: "[list | set <NAME> | rm <NAME>]",
  summary: "A repo's secrets: which there are, new ones, away with them.",
  examples: [
    ["tatara secret", "names, who may read them, when they were used last"],
    ["tatara secret set NPM_TOKEN < token.txt", "the value is read from stdin, never from here"],
    ["tatara secret set DEPLOY_KEY --branch main --branch 'release/*'", "for these branches only"],
    ["tatara secret set NPM_TOKEN --pull-requests", "pull requests of the same repo may read it"],
    ["tatara secret rm NPM_TOKEN", "no job gets it any more"],
  ],
  options: {
    repo: REPO_OPTION,
    branch: {
      type: "string",
      multiple: true,
      value: "pattern",
      help: "set: builds of these branches may read it (all)",
    },
    "pull-requests": { type: "boolean", help: "set: so may pull requests of the same repo" },
  },
  positionalsMax: 2,
  run: async (context) => {
    const [action = "list", name] = context.positionals;
    if (action === "list" && name === undefined) return await list(context);
    if (action === "set" && name !== undefined) return await set(context, name);
    if (action === "rm" && name !== undefined) return await remove(context, name);
    throw new CommandError(EXIT.usage, "What about which secret?", "tatara help secret");
  },
};

async function list(context: CommandContext): Promise<ExitCode> {
  const repo = await wantedRepo(context);
  const secrets = await triggerApi(await connect(context.env, context.signal)).secrets(repo);
  const columns = Math.max(0, ...secrets.map(({ name }) => name.length));
  for (const one of secrets) {
    if (context.isJson) answerJson(context, one);
    else context.printer.answer(`  ${one.name.padEnd(columns)}   ${readers(one)}   ${used(one)}`);
  }
  if (secrets.length === 0) context.printer.progress(`${repo} has no secrets.`);
  return EXIT.ok;
}

function readers({ branches, pullRequests }: ApiSecret): string {
  const where = branches === null ? "all branches and tags" : branches.join(", ");
  return pullRequests ? `${where}, pull requests` : where;
}

function used({ lastUsedAt, lastUsedBy }: ApiSecret): string {
  if (lastUsedAt === null) return "never used";
  const by = lastUsedBy === null ? "" : ` by #${lastUsedBy.number}`;
  return `used ${lastUsedAt.slice(0, 16).replace("T", " ")} UTC${by}`;
}

async function set(context: CommandContext, name: string): Promise<ExitCode> {
  if (!isSecretName(name)) {
    const hint = "letters, digits and _: NPM_TOKEN";
    throw new CommandError(EXIT.usage, `${name} is no name of a secret.`, hint);
  }
  const repo = await wantedRepo(context);
  const value = await readValue(context, name);
  const branches = context.texts("branch");
  const wish = { value, pullRequests: context.flag("pull-requests") };
  const given = branches.length === 0 ? wish : { ...wish, branches };
  const api = triggerApi(await connect(context.env, context.signal));
  const { result } = await api.setSecret(repo, name, given);
  if (context.isJson) answerJson(context, { repo, name, result });
  else context.printer.answer(`${repo}: ${name} is ${result === "new" ? "set" : "replaced"}`);
  return EXIT.ok;
}

/** From stdin alone: what is typed as an argument stands in the shell's history and in `ps`. */
async function readValue({ input, signal }: CommandContext, name: string): Promise<string> {
  const text = (await input?.(signal)) ?? "";
  // The newline at the end is the editor's or echo's.
  const value = text.replace(/\r?\n$/, "");
  if (value !== "") return value;
  const hint = `tatara secret set ${name} < FILE, or paste it and press Ctrl-D`;
  throw new CommandError(EXIT.usage, "No value came by stdin.", hint);
}

async function remove(context: CommandContext, name: string): Promise<ExitCode> {
  const repo = await wantedRepo(context);
  await triggerApi(await connect(context.env, context.signal)).removeSecret(repo, name);
  if (context.isJson) answerJson(context, { repo, name, result: "removed" });
  else context.printer.answer(`${repo}: ${name} is removed`);
  return EXIT.ok;
}
