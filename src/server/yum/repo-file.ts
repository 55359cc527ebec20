/** What a host drops into `/etc/yum.repos.d`: one section, or two for a target with layers. */
export interface RepoFile {
  readonly channel: string;
  /** What is subscribed to, for people: a target, or a family's pattern. */
  readonly title: string;
  readonly sections: readonly Section[];
  /** The server's address, without a slash at the end. */
  readonly url: string;
  /** dnf, if it is left out. */
  readonly reader?: RepoFileReader;
  readonly metadataExpireSeconds: number;
  /** Patterns of package names that may come from here; undefined: all. */
  readonly includePackages?: readonly string[] | undefined;
  /** 1 to 99, lower wins; undefined: dnf's 99. */
  readonly priority?: number | undefined;
}

/**
 * libzypp keeps a mirrorlist for ten minutes, `refresh --force` or not, and would not see what is
 * published meanwhile; `addrepo` of zypper 1.14.101 takes no file without a `baseurl` at all.
 */
export type RepoFileReader = "dnf" | "zypper";

export interface Section {
  /** `-source`, `-updates`, … after the channel's name. */
  readonly suffix: string;
  /** A served name, or a family's pattern. */
  readonly served: string;
}

const SETTLED = new Set(["stable", "testing"]);
const SETTLED_SECONDS = 3_600;
const FRESH_SECONDS = 300;

/** dnf's own default would hide a publish for two days; an unchanged refresh costs a few kilobytes. */
export function expireSecondsOf(channel: string, setting: number | null | undefined): number {
  return setting ?? (SETTLED.has(channel) ? SETTLED_SECONDS : FRESH_SECONDS);
}

const ABOUT_LAYERS = `# Two sections: a large base that seldom changes, and the updates since. Keep both, with the same
# metadata_expire: a package moves from the updates to the base now and then.
`;

/** To dnf `mirrorlist=`, so that index and signature always come from one generation. */
export function repoFile(file: RepoFile): string {
  const sections = file.sections.map((section) => sectionText(section, file));
  return `${sections.length > 1 ? ABOUT_LAYERS : ""}${sections.join("\n")}`;
}

function sectionText({ suffix, served }: Section, file: RepoFile): string {
  const { channel, url, reader, includePackages, priority } = file;
  const layer = /-(base|updates)$/.exec(served)?.[1];
  return [
    `[tatara-${channel}${suffix}]`,
    `name=Tatara ${channel} for ${file.title}${layer === undefined ? "" : ` (${layer})`}`,
    ...(reader === "zypper"
      ? [`baseurl=${url}/yum/${channel}/${served}/`, "type=rpm-md", "autorefresh=1"]
      : [`mirrorlist=${url}/yum/${channel}/${served}/mirrorlist`]),
    "enabled=1",
    "gpgcheck=1",
    "repo_gpgcheck=1",
    `gpgkey=${url}/yum/keys/tatara.asc`,
    `metadata_expire=${file.metadataExpireSeconds}`,
    ...(includePackages === undefined ? [] : [`includepkgs=${includePackages.join(" ")}`]),
    ...(priority === undefined ? [] : [`priority=${priority}`]),
    "",
  ].join("\n");
}
