import type { YumLayout } from "../../yum/layout.ts";
import { readRpm, RpmRefused } from "../../yum/rpm/read-rpm.ts";
import type { Relation, RelationKind, RpmPackage } from "../../yum/rpm/rpm-package.ts";

/** What the pooled RPM says about itself, for a package's page and the API. */
export interface PackageDetails {
  readonly description: string;
  readonly url: string;
  readonly vendor: string;
  readonly group: string;
  readonly sourceRpm: string;
  /** Epoch milliseconds. */
  readonly buildTime: number;
  readonly installedBytes: number;
  /** As dnf writes them: `libc.so.6()(64bit)`, `hello-libs >= 1.0`. */
  readonly relations: Readonly<Record<RelationKind, readonly string[]>>;
  readonly files: readonly PackageFile[];
  /** All of them, of which `files` are a page. */
  readonly fileCount: number;
  readonly scripts: readonly {
    readonly kind: string;
    readonly interpreter: string;
    readonly text: string;
  }[];
  readonly changelog: readonly {
    readonly author: string;
    /** Epoch milliseconds. */
    readonly at: number;
    readonly text: string;
  }[];
  /** Sixteen hexadecimal digits each; empty: nobody has signed it. */
  readonly signedBy: readonly string[];
}

export interface PackageFile {
  readonly path: string;
  readonly kind: "file" | "dir" | "ghost";
  /** As `ls` writes it, in octal digits: `0644`. */
  readonly mode: string;
  readonly sizeBytes: number;
  /** Of a link; empty otherwise. */
  readonly linkTarget: string;
  readonly user: string;
  readonly group: string;
}

export const FILES_PAGE_MAX = 1_000;
const CHANGELOG_MAX = 50;
const RELATIONS_MAX = 5_000;
/** Scripts are shown to people; no honest one is longer. */
const SCRIPT_MAX = 64_000;

/** Reads the header of a pooled RPM; undefined when its bytes are gone or cannot be read. */
export async function readPackageDetails(
  layout: YumLayout,
  file: { readonly signedSha256: string; readonly fileName: string },
  page: { readonly from: number; readonly count: number },
): Promise<PackageDetails | undefined> {
  const path = layout.package({ sha256: file.signedSha256, fileName: file.fileName });
  try {
    return detailsOf(await readRpm(path), page);
  } catch (err) {
    if (err instanceof RpmRefused || (err as NodeJS.ErrnoException).code === "ENOENT") return;
    throw err;
  }
}

function detailsOf(
  rpm: RpmPackage,
  page: { readonly from: number; readonly count: number },
): PackageDetails {
  const { description, url, vendor, group, sourceRpm, installedBytes } = rpm;
  return {
    description,
    url,
    vendor,
    group,
    sourceRpm,
    installedBytes,
    buildTime: rpm.buildTime * 1_000,
    relations: relationsOf(rpm),
    fileCount: rpm.files.length,
    files: rpm.files
      .slice(page.from, page.from + Math.min(page.count, FILES_PAGE_MAX))
      .map(({ path, kind, mode, sizeBytes, linkTarget, user, group }) => ({
        path,
        kind,
        mode: (mode & 0o7777).toString(8).padStart(4, "0"),
        sizeBytes,
        linkTarget,
        user,
        group,
      })),
    scripts: rpm.scripts.map(({ kind, interpreter, text }) => ({
      kind,
      interpreter,
      text: text.slice(0, SCRIPT_MAX),
    })),
    changelog: rpm.changelog
      .slice(0, CHANGELOG_MAX)
      .map(({ author, time, text }) => ({ author, at: time * 1_000, text })),
    signedBy: [...new Set(rpm.signatures.flatMap(({ keyId }) => keyId ?? []))],
  };
}

const SIGNS = { "": "", LT: "<", GT: ">", EQ: "=", LE: "<=", GE: ">=" } as const;

function relationsOf({ relations }: RpmPackage): PackageDetails["relations"] {
  const said = ({ name, comparison, evr }: Relation): string =>
    comparison === "" ? name : `${name} ${SIGNS[comparison]} ${evr}`;
  const kinds = Object.entries(relations).map(([kind, list]) => [
    kind,
    [...new Set(list.slice(0, RELATIONS_MAX).map(said))],
  ]);
  return Object.fromEntries(kinds) as PackageDetails["relations"];
}
