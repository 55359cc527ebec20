import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatNevra } from "../../src/domain/nevra.ts";
import { yumLayout } from "../../src/yum/layout.ts";
import type { YumLayout } from "../../src/yum/layout.ts";
import { INDEX_FILE } from "../../src/yum/resolve/listed-packages.ts";
import type { AddedPackage } from "../../src/yum/resolve/resolver.ts";
import { segmentIndex } from "../../src/yum/resolve/segment-index.ts";
import { parseRpm } from "../../src/yum/rpm/read-rpm.ts";
import type { ListedPackage, SegmentRef, TargetState } from "../../src/yum/target-state.ts";
import type { MadeRpm } from "./make-rpm.ts";

/** A pool and segments in a folder of their own, as much of them as the resolver reads. */
export interface ResolveTarget {
  readonly layout: YumLayout;
  pool(rpm: MadeRpm): Promise<AddedPackage>;
  seal(packages: readonly AddedPackage[], index?: Buffer | "missing"): Promise<SegmentRef>;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function resolveTarget(): Promise<ResolveTarget> {
  const folder = await mkdtemp(join(tmpdir(), "tatara-resolve-"));
  const layout = yumLayout(folder);
  return {
    layout,
    async pool({ fileName, bytes, sha256 }) {
      const rpm = parseRpm(bytes);
      const listed = { nevra: formatNevra(rpm.nevra), sha256, fileName, sizeBytes: bytes.length };
      await mkdir(join(layout.package(listed), ".."), { recursive: true });
      await writeFile(layout.package(listed), bytes);
      return { listed, rpm };
    },
    async seal(packages, index = segmentIndex(packages.map(({ rpm }) => rpm))) {
      const listed = packages.map((each) => each.listed);
      const ref = segmentRef(listed, String(index));
      await mkdir(layout.segment(ref.id), { recursive: true });
      const file = { format: 1, id: ref.id, compression: "gzip", packages: listed };
      const sha256 = "0".repeat(64);
      const none = { bytes: 0, openBytes: 0, sha256 };
      const members = { primary: none, filelists: none, other: none };
      await writeFile(
        join(layout.segment(ref.id), "segment.json"),
        JSON.stringify({ ...file, members }),
      );
      if (index !== "missing") await writeFile(join(layout.segment(ref.id), INDEX_FILE), index);
      return ref;
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

function segmentRef(listed: readonly ListedPackage[], salt: string): SegmentRef {
  const id = createHash("sha256").update(salt).update(JSON.stringify(listed)).digest("hex");
  const none = { bytes: 0, openBytes: 0 };
  return {
    id,
    packages: listed.length,
    members: { primary: none, filelists: none, other: none },
  };
}

/** What the resolver looks at; the rest of a state is for serving it. */
export function stateOf(
  segments: readonly SegmentRef[],
  tail: readonly AddedPackage[] = [],
): TargetState {
  const state: Partial<TargetState> = {
    segments: [...segments],
    tail: tail.map(({ listed }) => listed),
  };
  return state as TargetState;
}
