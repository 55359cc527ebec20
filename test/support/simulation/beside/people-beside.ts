import { cancelBuild, rerunBuild } from "../../../../src/server/store/builds.ts";
import { recordPush } from "../../../../src/server/store/deliveries.ts";
import { aPush, anIntake } from "../../a-store.ts";
import { WAITING_MAX } from "../records/builds.ts";
import type { Build } from "../records/kept.ts";
import type { BothSides } from "./both-sides.ts";

/** A push of one of a few commits, in a delivery that may have been sent before. */
export async function push({ store, model, random }: BothSides): Promise<void> {
  const after = `${random.integer(1, 6)}`.padStart(40, "a");
  const deliveryId = `d${random.integer(1, 40)}`;
  const known = model.lives.deliveries.find(({ id }) => id === deliveryId);
  const sha = known?.build.sha ?? after;
  const named = { deliveryId, bodyDigest: deliveryId };
  const limits = { waitingBuildsMax: WAITING_MAX };
  await store.write((tx) => recordPush(tx, anIntake(aPush({ after: sha }), named), limits));
  model.builds.recordPush(deliveryId, sha, sha);
}

/** Somebody stops a build, open or not. */
export async function cancel(both: BothSides): Promise<void> {
  const drawn = await drawnBuild(both);
  if (drawn === undefined) return;
  const { id, build } = drawn;
  const { result } = await both.store.write((tx) => cancelBuild(tx, id, "admin"));
  const told = both.model.builds.cancel(build, "admin");
  both.agree(`cancel of ${id} as ${result} and ${told}`, true, result === told);
}

/** Somebody asks for a build again, ended or not. */
export async function rerun(both: BothSides): Promise<void> {
  const drawn = await drawnBuild(both);
  if (drawn === undefined) return;
  const { id, build } = drawn;
  const { kind } = await both.store.write((tx) => rerunBuild(tx, id, "admin"));
  both.agree(`rerun of ${id}`, kind === "queued", both.model.builds.rerun(build) !== undefined);
}

async function drawnBuild(
  both: BothSides,
): Promise<{ readonly id: string; readonly build: Build } | undefined> {
  const row = both.drawn(await both.store.db.selectFrom("builds").select("id").execute());
  return row && { id: row.id, build: await both.buildOf(row.id) };
}
