import { formatNevra } from "../../../src/domain/nevra.ts";
import type { Nevra } from "../../../src/domain/nevra.ts";
import type { Advisory, ListedAdvisory } from "../../../src/shared/package-messages.ts";
import { readErrata } from "./read-errata.ts";
import type { Erratum } from "./read-errata.ts";
import { readTrailers } from "./read-trailers.ts";

export interface ErrataFacts {
  /** Text of the repository's errata file; null: it has none. */
  readonly errata: string | null;
  /** The commit's message. */
  readonly message: string;
  readonly build: { readonly repo: string; readonly number: number; readonly url: string };
  /** All that the build publishes. */
  readonly packages: readonly { readonly nevra: Nevra }[];
  /** Ids of advisories that the channels list already. */
  readonly published: ReadonlySet<string>;
  /** Epoch milliseconds. */
  readonly now: number;
}

export interface Errata {
  readonly advisories: readonly ListedAdvisory[];
  /** What the file names and the build has not made. */
  readonly warnings: readonly string[];
}

const SLUG_MAX = 70;

/**
 * What hosts are told about a build's packages, from the errata file and the commit's trailers. An
 * advisory that names no packages is about the build that brings it: later builds, which find it in
 * the file still, do not repeat it. Throws `ERRATA_INVALID` with the place.
 */
export function advisoriesOf(facts: ErrataFacts): Errata {
  const binary = facts.packages.filter(({ nevra }) => !["src", "nosrc"].includes(nevra.arch));
  const warnings: string[] = [];
  const fromFile = readErrata(facts.errata ?? "").flatMap((erratum): ListedAdvisory[] => {
    if (erratum.packages === undefined && facts.published.has(erratum.id)) return [];
    const missing = erratum.packages?.filter((name) => !binary.some(isCalled(name))) ?? [];
    if (missing.length > 0) warnings.push(missingPackages(erratum.id, missing));
    return listed(advisoryOf(erratum, facts.now), binary.filter(concerns(erratum)));
  });
  return { advisories: [...fromFile, ...fromTrailers(facts, binary)], warnings };
}

type Packages = ErrataFacts["packages"];

function concerns({ packages }: Erratum) {
  return ({ nevra }: Packages[number]): boolean => packages?.includes(nevra.name) ?? true;
}

function isCalled(name: string) {
  return ({ nevra }: Packages[number]): boolean => nevra.name === name;
}

/** Nothing, where it is about no package of this build. */
function listed(advisory: Advisory, packages: Packages): ListedAdvisory[] {
  const nevras = [...new Set(packages.map(({ nevra }) => formatNevra(nevra)))];
  return nevras.length === 0 ? [] : [{ ...advisory, nevras }];
}

function missingPackages(id: string, names: readonly string[]): string {
  return `The advisory ${id} names ${names.join(", ")}, which this build has not made.`;
}

function advisoryOf(erratum: Erratum, now: number): Advisory {
  const { id, type, severity, title, description, cves, references, reboot } = erratum;
  return {
    id,
    type,
    severity,
    title,
    description,
    issuedAt: now,
    references: [...cves.map(cveReference), ...references],
    rebootSuggested: reboot,
  };
}

function cveReference(id: string): Advisory["references"][number] {
  return { type: "cve", id, href: `https://www.cve.org/CVERecord?id=${id}`, title: id };
}

function fromTrailers(
  { message, build, now }: ErrataFacts,
  binary: Packages,
): readonly ListedAdvisory[] {
  const trailers = readTrailers(message);
  if (trailers === undefined) return [];
  const { cves, severity, title } = trailers;
  const slug = build.repo.replaceAll(/[^A-Za-z0-9._]+/g, "-").slice(0, SLUG_MAX);
  const page = { type: "self", id: `${build.repo} #${build.number}`, href: build.url } as const;
  const advisory: Advisory = {
    id: `TATARA-${slug}-${build.number}`,
    type: "security",
    severity,
    title,
    description: message.trim().slice(0, 16_000),
    issuedAt: now,
    references: [...cves.map(cveReference), { ...page, title: "The build" }],
    rebootSuggested: false,
  };
  return listed(advisory, binary);
}
