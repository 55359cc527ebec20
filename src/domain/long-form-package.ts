import { at, filled, imageMap, runKeys } from "./long-form-parts.ts";
import type { LongForm } from "./long-form-parts.ts";
import type {
  FilesSource,
  PackagedFile,
  PackageStep,
  PackageUser,
  SpecSource,
  VerifyRule,
  VersionRule,
} from "./pipeline.ts";
import { DURATION_UNITS, formatDuration } from "./pipeline-types.ts";

/** A package with all that holds for it. */
export function longPackage(step: PackageStep, folder: string): LongForm {
  const { source, arch, version, release, run, image, repos, lint, verify } = step;
  const isOpen = step.network === "internet" && !step.rpmbuildNetwork;
  return filled({
    ...(source.kind === "spec" ? specKeys(source, folder) : filesKeys(source, folder)),
    version: versionOf(version),
    release: release.kind === "fixed" ? release.release : release.kind,
    for: step.for,
    arch,
    run,
    image: imageMap(image, folder),
    repos,
    // Written out, it would open rpmbuild's network as well.
    network: isOpen ? null : step.network,
    lint,
    verify: verifyOf(verify),
    ...runKeys(step, folder),
  });
}

function versionOf(version: VersionRule): unknown {
  if (version.kind === "fixed") return version.version;
  if (version.kind === "spec" || version.pattern === null) return version.kind;
  return { "from-tag": version.pattern };
}

function verifyOf(verify: VerifyRule | null): unknown {
  if (verify === null) return false;
  const { run, upgradeFrom, timeoutMs } = verify;
  const isPlain = run === null && upgradeFrom === null && timeoutMs === 30 * DURATION_UNITS.m;
  if (isPlain) return true;
  return filled({ run, "upgrade-from": upgradeFrom, timeout: formatDuration(timeoutMs) });
}

function specKeys(source: SpecSource, folder: string): LongForm {
  const { path, define, fetch, sourceRpm, debuginfo } = source;
  return {
    spec: at(folder, path),
    define,
    with: source.with,
    without: source.without,
    fetch,
    "source-rpm": sourceRpm,
    debuginfo,
  };
}

function filesKeys(source: FilesSource, folder: string): LongForm {
  const { name, summary, license, description, url, vendor, scripts, users, files } = source;
  const { requires, recommends, provides, conflicts, obsoletes, sourceRpm, debuginfo } = source;
  const paths = Object.entries(scripts).map(([when, path]) => [when, at(folder, path)]);
  return {
    name,
    summary,
    license,
    description,
    url,
    vendor,
    requires,
    recommends,
    provides,
    conflicts,
    obsoletes,
    scripts: Object.fromEntries(paths),
    users: Object.fromEntries(users.map((user) => [user.name, longUser(user)])),
    files: Object.fromEntries(files.map((file) => [file.path, longFile(file, folder)])),
    "source-rpm": sourceRpm,
    debuginfo,
  };
}

function longUser({ description, home, groups }: PackageUser): LongForm {
  return filled({ description, home, groups });
}

function longFile({ content, config, mode, owner, group, ...is }: PackagedFile, folder: string) {
  const what = {
    from: content.kind === "from" ? at(folder, content.path) : null,
    dir: content.kind === "dir" ? true : null,
    link: content.kind === "link" ? content.target : null,
  };
  const isConfig = config === "noreplace" ? config : config === "yes";
  const { isDoc: doc, isLicense: license } = is;
  return filled({ ...what, config: isConfig, mode, owner, group, doc, license });
}
