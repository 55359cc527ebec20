import type { KeptView } from "../views.ts";
import { bytes } from "./format.ts";
import { html, said, type Html } from "./html.ts";

const SHOWN_MAX = 50;

export function keptPath(
  buildId: string,
  { jobId, step, path }: Pick<KeptView, "jobId" | "step" | "path">,
): string {
  const names = [buildId, "kept", jobId, step, ...path.split("/")].map(encodeURIComponent);
  return `/api/builds/${names.join("/")}`;
}

/** The files that a build keeps, each a download; nothing where it keeps none. */
export function keptSection(build: {
  readonly id: string;
  readonly kept: readonly KeptView[];
}): Html {
  const files = build.kept;
  if (files.length === 0) return html``;
  const all = `/api/builds/${encodeURIComponent(build.id)}/kept.tar`;
  const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  const hidden = files.length - SHOWN_MAX;
  return html`<section class="packages" aria-labelledby="kept-title">
    <h2 id="kept-title">Files <span class="faint">${files.length}, ${bytes(sizeBytes)}</span></h2>
    <table class="data">
      <thead>
        <tr>
          <th scope="col">File</th>
          <th scope="col">Step</th>
          <th scope="col" class="right">Size</th>
          <th scope="col" class="wide-only">SHA-256</th>
        </tr>
      </thead>
      <tbody>
        ${files.slice(0, SHOWN_MAX).map((file) => row(build.id, file))}
      </tbody>
    </table>
    <p class="facts">
      ${hidden > 0 ? html`<span>${hidden} more</span>` : null}<a href="${all}" download
        >All as kept.tar</a
      >
    </p>
  </section>`;
}

function row(buildId: string, file: KeptView): Html {
  return html`<tr>
    <td><a href="${keptPath(buildId, file)}" download class="nevra">${said(file.path)}</a></td>
    <td>${said(file.step)}</td>
    <td class="right num">${bytes(file.sizeBytes)}</td>
    <td class="wide-only">
      <code class="digest" title="${file.sha256}">${file.sha256.slice(0, 12)}</code>
    </td>
  </tr>`;
}
