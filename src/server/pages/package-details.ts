import type { PackageDetails } from "../changes/package-details.ts";
import { bytes, count, plural } from "./format.ts";
import { html, said, saidBlock, type Html } from "./html.ts";

export const FILES_PER_PAGE = 200;

export interface FilesPage {
  readonly nevra: string;
  /** Of its files, the first that is shown. */
  readonly filesFrom: number;
}

/** What the RPM says about itself, folded: each is long, and few are wanted. */
export function detailFolds(page: FilesPage, details: PackageDetails): Html {
  const { requires, provides, ...others } = details.relations;
  return html`<div class="folds">
    ${details.description === "" ? null : fold("Description", html`<pre class="prose">${saidBlock(details.description)}</pre>`)}
    ${relations("Requires", requires)} ${relations("Provides", provides)}
    ${Object.entries(others).map(([kind, list]) => relations(capital(kind), list))}
    ${files(page, details)} ${scripts(details)} ${changelog(details)}
  </div>`;
}

function fold(title: string, body: Html, options: { readonly isOpen?: boolean } = {}): Html {
  return html`<details class="fold" ${options.isOpen === true ? html` open` : null}>
    <summary>${title}</summary>
    ${body}
  </details>`;
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

function relations(title: string, list: readonly string[]): Html {
  if (list.length === 0) return html``;
  return fold(
    `${title} (${count(list.length)})`,
    html`<ul class="plain-list nevra">
      ${list.map((one) => html`<li>${said(one)}</li>`)}
    </ul>`,
  );
}

function files(page: FilesPage, { files: some, fileCount }: PackageDetails): Html {
  if (fileCount === 0) return fold("Files (none)", html`<p class="faint">It installs no file.</p>`);
  const { filesFrom, nevra } = page;
  const last = filesFrom + some.length;
  const link = (from: number, text: string): Html => {
    const query = new URLSearchParams({ nevra, "files-from": String(from) });
    return html`<a href="?${query.toString()}#chosen">${text}</a>`;
  };
  const body = html`<ul class="files">
      ${some.map((file) => fileLine(file))}
    </ul>
    ${
      fileCount <= some.length
        ? null
        : html`<p class="facts">
            <span>${count(filesFrom + 1)} to ${count(last)} of ${count(fileCount)}</span>
            ${filesFrom === 0 ? null : link(Math.max(0, filesFrom - FILES_PER_PAGE), "Files before")}
            ${last >= fileCount ? null : link(last, "Next files")}
          </p>`
    }`;
  return fold(`Files (${count(fileCount)})`, body, { isOpen: filesFrom > 0 });
}

function fileLine({
  path,
  kind,
  mode,
  sizeBytes,
  linkTarget,
  user,
  group,
}: PackageDetails["files"][number]): Html {
  const owner = user === "root" && group === "root" ? "" : ` ${user}:${group}`;
  return html`<li>
    <span class="nevra"
      >${said(path)}${linkTarget === "" ? null : html` → ${said(linkTarget)}`}</span
    >
    <span class="faint num"
      >${mode}${said(owner)} ${kind === "file" ? bytes(sizeBytes) : kind}</span
    >
  </li>`;
}

function scripts({ scripts: all }: PackageDetails): Html {
  if (all.length === 0) return html``;
  return fold(
    `Scripts (${all.length})`,
    html`${all.map(
      ({ kind, interpreter, text }) =>
        html`<h3>
            ${said(kind)}
            ${interpreter === "" ? null : html`<span class="faint">${said(interpreter)}</span>`}
          </h3>
          <pre class="snippet">${saidBlock(text)}</pre>`,
    )}`,
  );
}

function changelog({ changelog: all }: PackageDetails): Html {
  if (all.length === 0) return html``;
  return fold(
    `Changelog (${plural(all.length, "entry", "entries")})`,
    html`${all.map(
      ({ author, at, text }) =>
        html`<h3>
            ${said(author)} <span class="faint">${new Date(at).toISOString().slice(0, 10)}</span>
          </h3>
          <pre class="prose">${saidBlock(text)}</pre>`,
    )}`,
  );
}
