import type { Refusal } from "../../shared/message-parts.ts";
import type { BaseRepositoryReader } from "../../yum/base-repositories/base-repositories.ts";
import type { YumLayout } from "../../yum/layout.ts";
import type { Resolver } from "../../yum/resolve/resolver.ts";
import { readRpm } from "../../yum/rpm/read-rpm.ts";
import { readGeneration, readTargetState, type TargetState } from "../../yum/target-state.ts";
import { findChannel, type ListedRow } from "../store/changes.ts";
import { isSibling, type ChannelIntention, type Read } from "./intention.ts";
import { leftBehind, type LeftBehind } from "./left-behind.ts";

export interface ResolutionDeps {
  readonly layout: YumLayout;
  readonly resolver: Resolver;
  /** What hosts of a target have anyway. */
  readonly baseRepositories: BaseRepositoryReader;
}

/** Headers are read side by side, but not all at once. */
const HEADERS_AT_ONCE = 16;

/**
 * What would no longer resolve if the channel changed like this, as far as its files on disk tell;
 * what its settings ignore is left out.
 */
export async function resolutionOf(
  read: Read,
  edit: ChannelIntention,
  deps: ResolutionDeps,
): Promise<LeftBehind> {
  const channel = await findChannel(read, edit.channel);
  const { requires = "ignore", fileConflicts = "ignore" } = channel?.settings ?? {};
  if (channel === undefined || (requires === "ignore" && fileConflicts === "ignore")) {
    return { problems: [], warnings: [] };
  }
  const states = await statesOf(read, deps.layout, edit.channel);
  const sources = edit.from === null ? undefined : await statesOf(read, deps.layout, edit.from);
  const problems: Refusal[] = [];
  const warnings: string[] = [];
  const targets = new Set([...edit.addRows, ...edit.removeRows].map(({ target }) => target));
  for (const target of targets) {
    // Nobody installs from these: they need nothing and own no files on hosts.
    if (isSibling(target)) continue;
    const found = await judge(edit, target, await states(target), deps);
    problems.push(...found.problems);
    warnings.push(...found.warnings);
    const source = await sources?.(target);
    if (source === undefined || edit.from === null) continue;
    const { moved, state } = found;
    const from = { channel: edit.from, state: source };
    const to = { channel: edit.channel, state };
    const left = await leftBehind(read, { from, to, moved }, deps.resolver);
    problems.push(...left.problems);
    warnings.push(...left.warnings);
  }
  return {
    warnings: requires === "refuse" ? warnings : [],
    problems: problems.filter(({ code }) =>
      code === "FILE_CONFLICT" ? fileConflicts === "refuse" : requires === "refuse",
    ),
  };
}

/** What the channel's own packages tell about one target. */
async function judge(
  edit: ChannelIntention,
  target: string,
  state: TargetState | undefined,
  { layout, resolver, baseRepositories }: ResolutionDeps,
) {
  const isHere = (row: ListedRow): boolean => row.target === target;
  const moved = await withHeaders(edit.addRows.filter(isHere), layout);
  const { base, warnings } = await baseRepositories.of(target);
  const found = await resolver.check({
    target,
    state,
    add: moved.map(({ row: { nevra, sha256, fileName, sizeBytes }, rpm }) => ({
      listed: { nevra, sha256, fileName, sizeBytes },
      rpm,
    })),
    remove: edit.removeRows.filter(isHere).map(({ nevra }) => nevra),
    base,
  });
  const problems = found.map(({ code, message, hint }) => ({ code, message, hint }));
  return { moved, state, problems, warnings };
}

/** The files of a channel's head; a target that it does not have is undefined. */
async function statesOf(read: Read, layout: YumLayout, name: string) {
  const head = (await findChannel(read, name))?.head ?? 0;
  const targets = head === 0 ? {} : (await readGeneration(layout, name, head)).targets;
  return async (target: string): Promise<TargetState | undefined> => {
    const number = targets[target];
    return number === undefined
      ? undefined
      : await readTargetState(layout, { channel: name, number, target });
  };
}

async function withHeaders(rows: readonly ListedRow[], layout: YumLayout) {
  const read = [];
  for (let start = 0; start < rows.length; start += HEADERS_AT_ONCE) {
    const some = rows.slice(start, start + HEADERS_AT_ONCE).map(async (row) => {
      const { sha256, fileName } = row;
      return { row, rpm: await readRpm(layout.package({ sha256, fileName })) };
    });
    read.push(...(await Promise.all(some)));
  }
  return read;
}
