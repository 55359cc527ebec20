import { duration } from "../assets/times.ts";
import type { BuildView, PackageView, PublishView } from "../views.ts";
import { nextChannel } from "./channels.ts";
import { html, said, type Html } from "./html.ts";
import { curlLine, keyLine } from "./install.ts";
import type { PageContext } from "./page.ts";
import { channelPath, commandLine, generationPath, packagePath, sheetPath } from "./parts.ts";

/** Packages that people install, not what debuggers and rebuilders want. */
function mainPackages(packages: readonly PackageView[]): readonly PackageView[] {
  const main = packages.filter(
    ({ name, arch }) => arch !== "src" && !/-debug(?:info|source)$/.test(name),
  );
  return main.length > 0 ? main : packages;
}

/** A build that is live: where, and how to install it. */
export function publishedCard(build: BuildView, { publicUrl, visitor }: PageContext): Html {
  const { publish } = build;
  const main = mainPackages(build.packages);
  const first = main[0];
  if (publish === null || first === undefined) return html``;
  const channel = publish.channels[0] ?? "dev";
  const target = first.listings.find((listing) => listing.channel === channel)?.target;
  const names = main.map(({ name, version, release }) => `${name}-${version}-${release}`);
  return html`<section class="card card-live" id="published" aria-labelledby="published-title">
    <p class="card-label"><span>Published</span></p>
    <h2 id="published-title">
      ${main.length === 1 ? html`<a href="${packagePath(first.name, first.nevra)}">${said(first.nevra)}</a>` : `${main.length} packages`}
      to
      ${publish.channels.map((name, index) => html`${index === 0 ? null : ", "}<a href="${channelPath(name)}">${said(name)}</a>`)}
    </h2>
    <p class="facts">
      ${publish.generations.map((one) => html`<span><a href="${generationPath(one)}">${publish.generations.length > 1 ? html`${said(one.channel)} ` : null}generation ${one.number}</a></span>`)}
      ${publish.durationMs === null ? null : html`<span>in ${duration(publish.durationMs)}</span>`}
      <span class="signed">packages and metadata signed</span>
    </p>
    ${warningsOf(publish)} ${commandLine(`sudo dnf install ${[...new Set(names)].join(" ")}`)}
    <details class="first-time">
      <summary>First time on this host</summary>
      ${commandLine(curlLine({ publicUrl, channel, target }))}
      ${keyLine(publish.keyFingerprint ?? undefined)}
    </details>
    ${visitor === "admin" ? promoteLink(build, channel) : null}
  </section>`;
}

/** Worth telling, though the packages are live. */
function warningsOf({ warnings }: PublishView): Html {
  if (warnings.length === 0) return html``;
  return html`<ul class="notice">
    ${warnings.map((warning) => html`<li>${said(warning)}</li>`)}
  </ul>`;
}

/** On to the next channel of the line, with all that this build made. */
function promoteLink({ repo, number }: BuildView, from: string): Html {
  const to = nextChannel(from);
  if (to === undefined) return html``;
  const href = sheetPath({ kind: "promote", build: `${repo}#${number}`, from, to });
  return html`<p class="sheet-acts"><a class="button" href="${href}">Promote to ${to}</a></p>`;
}
