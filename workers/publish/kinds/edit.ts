import type { ChannelEdit, EditGrant } from "../../../src/shared/publish-grants.ts";
import type { NewPackage } from "../engine/engine.ts";
import type { ChannelChange, Prepared } from "../prepared.ts";
import type { Publish } from "../publish-context.ts";

type EditPublish = Publish<EditGrant>;

/** Promote, yank, retention, rewrite: the server has worked it out, and all packages are pooled. */
export async function prepareEdit(publish: EditPublish): Promise<Prepared> {
  const changes: ChannelChange[] = [];
  for (const edit of publish.grant.edits) changes.push(await changeOf(edit, publish));
  return { changes, packages: [], advisories: [], warnings: [], storing: Promise.resolve() };
}

async function changeOf(edit: ChannelEdit, publish: EditPublish): Promise<ChannelChange> {
  const { name: channel, head, settings } = edit.channel;
  const { advisories, extras, rewrite } = edit;
  const remove = grouped(edit.remove, ({ nevra }) => nevra);
  const add = await pooledPackages(edit, publish);
  return {
    channel,
    head,
    settings,
    edit: { kind: "edit", add, remove, advisories, extras, rewrite },
  };
}

async function pooledPackages(
  { add }: ChannelEdit,
  { pool, hold }: EditPublish,
): Promise<Map<string, NewPackage[]>> {
  const found = new Set<string>();
  for (const { sha256, fileName } of add) {
    if (found.has(sha256)) continue;
    hold.add(sha256);
    await pool.require({ sha256, fileName });
    found.add(sha256);
  }
  return grouped(add, ({ target: _target, ...pooled }) => ({
    ...pooled,
    path: pool.pathOf(pooled),
  }));
}

function grouped<T extends { readonly target: string }, R>(
  items: readonly T[],
  pick: (item: T) => R,
): Map<string, R[]> {
  const groups = new Map<string, R[]>();
  for (const item of items) {
    const group = groups.get(item.target) ?? [];
    group.push(pick(item));
    groups.set(item.target, group);
  }
  return groups;
}
