import { isBuildChannel } from "../../domain/channel.ts";
import { removedLog } from "../removed-logs.ts";
import type { BuildView, PackageView } from "../views.ts";
import { bytes } from "./format.ts";
import { html, said, type Html } from "./html.ts";
import { artifactPath, channelPath, packagePath } from "./parts.ts";

/** What it published, or else what it made. */
export function packagesSection(build: BuildView): Html {
  if (build.packages.length > 0) return publishedTable(build.packages);
  return build.artifacts.length > 0 ? artifactsTable(build) : html``;
}

function publishedTable(packages: readonly PackageView[]): Html {
  return html`<section class="packages" aria-labelledby="packages-title">
    <h2 id="packages-title">Packages</h2>
    <table class="data">
      <thead>
        <tr>
          <th scope="col">Package</th>
          <th scope="col">In</th>
          <th scope="col" class="right">Size</th>
          <th scope="col" class="wide-only">SHA-256</th>
        </tr>
      </thead>
      <tbody>
        ${packages.map(
          (one) =>
            html`<tr>
              <td>
                <a class="nevra" href="${packagePath(one.name, one.nevra)}">${said(one.nevra)}</a>
                <span class="faint block">${said(one.summary)}</span>
              </td>
              <td>
                ${channelsOf(one).map((name) => html`<a href="${channelPath(name)}">${said(name)}</a> `)}
              </td>
              <td class="right num">${bytes(one.sizeBytes)}</td>
              <td class="wide-only">
                <code class="digest" title="${one.signedSha256}"
                  >${one.signedSha256.slice(0, 12)}</code
                >
              </td>
            </tr>`,
        )}
      </tbody>
    </table>
  </section>`;
}

/** Where people get it from. The build's own channel was for its verification: only if alone. */
function channelsOf({ listings }: PackageView): readonly string[] {
  const all = [...new Set(listings.map(({ channel }) => channel))];
  const lasting = all.filter((name) => !isBuildChannel(name));
  return lasting.length > 0 ? lasting : all;
}

function artifactsTable(build: BuildView): Html {
  const isRemoved = removedLog(build) !== undefined;
  return html`<section class="packages" aria-labelledby="packages-title">
    <h2 id="packages-title">
      Packages
      <span class="faint"
        >${isRemoved ? "that were never published: removed with the log" : "as they were built: not signed, not published"}</span
      >
    </h2>
    <table class="data">
      <thead>
        <tr>
          <th scope="col">File</th>
          <th scope="col">Target</th>
          <th scope="col" class="right">Size</th>
        </tr>
      </thead>
      <tbody>
        ${build.artifacts.map(
          (one) =>
            html`<tr>
              <td>
                ${isRemoved ? html`<span class="nevra">${said(one.fileName)}</span>` : html`<a href="${artifactPath(build.id, one)}" download class="nevra">${said(one.fileName)}</a>`}
              </td>
              <td>${said(one.target)}</td>
              <td class="right num">${bytes(one.sizeBytes)}</td>
            </tr>`,
        )}
      </tbody>
    </table>
  </section>`;
}
