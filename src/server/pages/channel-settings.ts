import type { ChannelSummary } from "../views.ts";
import { expireSecondsOf } from "../yum/repo-file.ts";
import { html, said, type Html } from "./html.ts";

/** What an operator has set for a channel, in words; how to set it is in docs/reference/channels.md. */
export function settingsSection({ name, settings, expiresAt }: ChannelSummary, now: number): Html {
  const { requires, fileConflicts, olderVersions, compression, layers } = settings;
  const lines: readonly (readonly [string, Html])[] = [
    [
      "Who may publish",
      said(settings.repos.includes("*") ? "every repo" : settings.repos.join(", ")),
    ],
    ["Retention", html`${retentionText(settings.retention)}`],
    ["Unmet requires", html`${GUARD[requires]}`],
    ["File conflicts", html`${GUARD[fileConflicts]}`],
    ["Older versions", html`${GUARD[olderVersions]}`],
    ["Other branches", html`${branchesText(settings.branchChannels)}`],
    [
      "Large targets",
      html`${layers === "auto" ? "served as a base and its updates" : "served whole"}`,
    ],
    ["Compression", html`${compression}${compression === "zstd" ? ": not for EL 7 and 8" : ""}`],
    ["Hosts look again after", html`${expireText(name, settings.metadataExpireSeconds)}`],
    ...(expiresAt === null ? [] : [["Deleted", expiryText(expiresAt, now)] as const]),
  ];
  return html`<section aria-labelledby="settings-title">
    <h2 id="settings-title">Settings</h2>
    <dl class="settings">
      ${lines.map(
        ([what, value]) =>
          html`<div>
            <dt>${what}</dt>
            <dd>${value}</dd>
          </div>`,
      )}
    </dl>
  </section>`;
}

const GUARD = { refuse: "refused", ignore: "not looked at", allow: "allowed" } as const;

/** `in 6 days`; the exact moment on hover. */
export function expiryText(expiresAt: number, now: number): Html {
  const days = Math.ceil((expiresAt - now) / 86_400_000);
  if (days <= 0) return html`any moment now`;
  return html`<span title="${new Date(expiresAt).toISOString()}"
    >in ${days === 1 ? "1 day" : `${days} days`}</span
  >`;
}

/** Settings that people ask about first, on one line. */
export function settingsFacts(channel: ChannelSummary): Html {
  const { repos, retention } = channel.settings;
  return html`<span
      >${repos.includes("*") ? "every repo may publish" : html`only ${said(repos.join(", "))}`}</span
    ><span>${retentionText(retention)}</span>`;
}

function retentionText({
  keepVersions,
  maxAgeDays,
  keepTagged,
}: ChannelSummary["settings"]["retention"]): string {
  const rules = [
    ...(keepVersions === null ? [] : [`the newest ${keepVersions} of each name`]),
    ...(maxAgeDays === null ? [] : [`${maxAgeDays} days`]),
  ];
  if (rules.length === 0) return "every version is kept";
  return `keeps ${rules.join(", ")}${keepTagged ? ", and tags for ever" : ""}`;
}

function branchesText(branches: ChannelSummary["settings"]["branchChannels"]): string {
  return branches === null
    ? "are not published"
    : `a channel each, deleted ${branches.expireDays} days after its last publish`;
}

/** As `.repo` files say it; see src/server/yum/repo-file.ts. */
function expireText(name: string, setting: number | null): string {
  const seconds = expireSecondsOf(name, setting);
  return seconds % 60 === 0 ? `${seconds / 60} min` : `${seconds} s`;
}
