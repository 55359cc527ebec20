import { fragmentsOf } from "../../../../src/yum/rpm/fragments.ts";
import type { Fragments } from "../../../../src/yum/rpm/fragments.ts";
import { readRpm } from "../../../../src/yum/rpm/read-rpm.ts";
import type { RpmPackage } from "../../../../src/yum/rpm/rpm-package.ts";
import { DOCUMENTS } from "../../../../src/yum/layout.ts";
import type { PackageSource } from "../assembly-calls.ts";

/** Packages' XML, read from their RPMs. Those read last are kept, for a tail is needed again. */
export interface PackageTexts {
  of(packages: readonly PackageSource[]): Promise<readonly Fragments[]>;
}

const KEPT_CHARACTERS_MAX = 32 * 2 ** 20;
const TOGETHER = 16;

export function openPackageTexts(): PackageTexts {
  const kept = new Map<string, Fragments>();
  let characters = 0;

  const read = async (source: PackageSource): Promise<Fragments> => {
    const key = `${source.sha256}/${source.fileName}`;
    const known = kept.get(key);
    if (known !== undefined) {
      kept.delete(key);
      kept.set(key, known);
      return known;
    }
    const fragments = textsOf(await readRpm(source.path), source);
    kept.set(key, fragments);
    characters += lengthOf(fragments);
    for (const [oldest, dropped] of kept) {
      if (characters <= KEPT_CHARACTERS_MAX) break;
      kept.delete(oldest);
      characters -= lengthOf(dropped);
    }
    return fragments;
  };
  return { of: (packages) => inGroups(packages, read) };
}

/** The file's time is the build's, so that the text depends on the RPM alone. */
export function textsOf(
  rpm: RpmPackage,
  { sha256, sizeBytes, fileName }: Omit<PackageSource, "path" | "nevra">,
): Fragments {
  return fragmentsOf(rpm, { sha256, sizeBytes, fileName, mtimeSeconds: rpm.buildTime });
}

/** A few at a time: each holds a file open. */
export async function inGroups<T, R>(
  items: readonly T[],
  work: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const done: R[] = [];
  for (let from = 0; from < items.length; from += TOGETHER) {
    done.push(...(await Promise.all(items.slice(from, from + TOGETHER).map(work))));
  }
  return done;
}

function lengthOf(fragments: Fragments): number {
  return DOCUMENTS.reduce((sum, name) => sum + fragments[name].length, 0);
}
