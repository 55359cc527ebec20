import { html, said, type Html } from "./html.ts";
import { commandLine } from "./parts.ts";
import { fingerprint } from "./format.ts";

export interface Subscription {
  readonly publicUrl: string;
  readonly channel: string;
  /** Named in the address only where the channel serves several. */
  readonly target: string | undefined;
  /** Packages to install, or a stand-in for them. */
  readonly packages: string;
}

/** Address of the channel's `.repo` file. */
export function repoFileUrl({
  publicUrl,
  channel,
  target,
}: Omit<Subscription, "packages">): string {
  const query = target === undefined ? "" : `?target=${encodeURIComponent(target)}`;
  return `${publicUrl}/yum/${encodeURIComponent(channel)}.repo${query}`;
}

/** Fetches the `.repo` file: works with dnf 4, dnf 5 and yum alike. */
export function curlLine(subscription: Omit<Subscription, "packages">): string {
  const { channel } = subscription;
  return `sudo curl -fsSo /etc/yum.repos.d/tatara-${channel}.repo ${shellWord(repoFileUrl(subscription))}`;
}

/** How a host subscribes and installs, one way for each package manager and one for all of dnf's. */
export function installSteps(subscription: Subscription, keyFingerprint: string | undefined): Html {
  const url = repoFileUrl(subscription);
  const isPlain = subscription.target === undefined;
  // dnf 4 takes an address for a .repo file only if it ends so; dnf 5 names the file after it.
  const dnf4 = `sudo dnf config-manager --add-repo ${url}`;
  const dnf5 = `sudo dnf config-manager addrepo --from-repofile=${shellWord(url)}${isPlain ? "" : ` --save-filename=tatara-${subscription.channel}.repo`}`;
  return html`<ol class="install">
    <li>
      <h3>Subscribe the host <span class="faint">once; any one of these lines</span></h3>
      <dl>
        <div>
          <dt>Works everywhere <span class="faint">dnf and yum</span></dt>
          <dd>${commandLine(curlLine(subscription))}</dd>
        </div>
        <div>
          <dt>dnf5 <span class="faint">Fedora 41 and newer</span></dt>
          <dd>${commandLine(dnf5)}</dd>
        </div>
        ${
          isPlain
            ? html`<div>
                <dt>dnf4 <span class="faint">RHEL, Alma, Rocky 8 to 10</span></dt>
                <dd>${commandLine(dnf4)}</dd>
              </div>`
            : null
        }
        <div>
          <dt>zypper <span class="faint">openSUSE, SLES</span></dt>
          <dd>${commandLine(`sudo zypper addrepo --refresh ${shellWord(url)}`)}</dd>
        </div>
      </dl>
    </li>
    <li>
      <h3>
        Install <span class="faint">or <code>zypper install</code></span>
      </h3>
      ${commandLine(`sudo dnf install ${subscription.packages}`)} ${keyLine(keyFingerprint)}
    </li>
  </ol>`;
}

export function keyLine(keyFingerprint: string | undefined): Html {
  if (keyFingerprint === undefined) return html``;
  return html`<p class="key">
    You are asked for this key the first time. Compare before you say yes:
    <code class="fingerprint">${fingerprint(keyFingerprint)}</code>
  </p>`;
}

/** `?` and `&` mean something to a shell. */
function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Green line: packages and metadata are signed, and both are checked by default. */
export function signedLine(keyFingerprint: string | undefined): Html {
  if (keyFingerprint === undefined) return html`<span class="faint">no signing key yet</span>`;
  return html`<span class="signed"
    >packages and metadata signed <code>${said(keyFingerprint.slice(-8).toUpperCase())}</code></span
  >`;
}
