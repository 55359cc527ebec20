import type { ServerNames } from "../domain/pipeline.ts";
import type { CommandContext } from "./command.ts";
import { readGitFolder } from "./git-folder.ts";

/** A check is a matter of a moment: a server that needs longer is not waited for. */
const ASK_TIMEOUT_MS = 1_500;

export type AskedNames =
  | { readonly kind: "told"; readonly names: ServerNames }
  /** Why the server's channels, targets and secrets were not looked at. */
  | { readonly kind: "not-told"; readonly why: string };

/** What the file may name on the server that the settings name. Never throws. */
export async function askServerNames({
  env,
  cwd,
  ...context
}: CommandContext): Promise<AskedNames> {
  if (env["TATARA_URL"] === undefined && env["TATARA_TOKEN"] === undefined) {
    return { kind: "not-told", why: "TATARA_URL names no server" };
  }
  const { repo } = await readGitFolder(cwd);
  if (repo === undefined) return { kind: "not-told", why: "no remote says which repo this is" };
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(ASK_TIMEOUT_MS)]);
  try {
    const { connect } = await import("./api-client.ts");
    const response = await (await connect(env, signal)).request(`/api/repos/${repo}/names`);
    const names: unknown = await response.json();
    if (isServerNames(names)) return { kind: "told", names };
    return { kind: "not-told", why: "the server answers in another way: is it older?" };
  } catch (err) {
    context.signal.throwIfAborted();
    const isSlow = signal.aborted;
    const message = err instanceof Error ? err.message : String(err);
    return { kind: "not-told", why: isSlow ? "the server does not answer in time" : message };
  }
}

function isServerNames(value: unknown): value is ServerNames {
  const { channels, targets, yumSources, secrets } = (value ?? {}) as Record<string, unknown>;
  return (
    [channels, secrets].every((list) => Array.isArray(list) && list.every(hasName)) &&
    [targets, yumSources].every((list) => Array.isArray(list) && list.every(isText))
  );
}

function hasName(value: unknown): boolean {
  return isText((value as { readonly name?: unknown } | null)?.name);
}

function isText(value: unknown): boolean {
  return typeof value === "string";
}
