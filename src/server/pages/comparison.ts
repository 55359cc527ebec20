import type { ComparedView } from "../views.ts";
import { html, said } from "./html.ts";
import type { Html } from "./html.ts";
import { buildPath } from "./parts.ts";

const LISTED_MAX = 3;

/** What came of building a commit once more, in one line. */
export function comparedLine(
  { number, differing }: ComparedView,
  build: { readonly id: string; readonly repo: string },
): Html {
  const older = html`<a href="${buildPath({ repo: build.repo, number })}">#${number}</a>`;
  if (differing === null) return html`made once more, to be compared with ${older}`;
  if (differing.length === 0) return html`the same packages as ${older}, byte for byte`;
  const more = differing.length - LISTED_MAX;
  const names = differing.slice(0, LISTED_MAX).join(", ") + (more > 0 ? ` and ${more} more` : "");
  const details = `/api/builds/${encodeURIComponent(build.id)}/comparison`;
  return html`not the same packages as ${older}: <a href="${details}">${said(names)}</a>`;
}
