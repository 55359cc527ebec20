import type { WorkerView } from "../drains.ts";
import { timeAgo } from "./format.ts";
import { html, said, type Html } from "./html.ts";
import type { Page, PageContext } from "./page.ts";

/** Who builds and publishes, and what of them is out of service. */
export function workersPage(
  { workers }: { readonly workers: readonly WorkerView[] },
  context: PageContext,
): Page {
  return {
    title: "Workers",
    icon: "none",
    trail: [{ text: "Workers" }],
    main: html`<div class="section-head"><h1>Workers</h1></div>
      ${workers.length === 0 ? html`<p class="empty">No worker has asked for work yet.</p>` : table(workers, context)}`,
  };
}

function table(workers: readonly WorkerView[], { now, visitor }: PageContext): Html {
  return html`<table class="data">
    <thead>
      <tr>
        <th scope="col">Worker</th>
        <th scope="col">Kind</th>
        <th scope="col">State</th>
        <th scope="col">Slots</th>
        <th scope="col">Version</th>
        <th scope="col">Last heard of</th>
        <th scope="col"></th>
      </tr>
    </thead>
    <tbody>
      ${workers.map(
        (worker) =>
          html`<tr data-row>
            <td>${said(worker.id)}</td>
            <td>${worker.kind}</td>
            <td>${worker.state}: ${said(worker.says)}</td>
            <td>${slotsOf(worker)}</td>
            <td>${said(versionOf(worker))}</td>
            <td>${timeAgo(worker.seenAt, now)}</td>
            <td>${visitor === "admin" ? act(worker) : null}</td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}

/** With its unit: on a narrow page no heading stands above it. */
function slotsOf({ slots }: WorkerView): string {
  if (slots === null) return "";
  return slots === 1 ? "1 slot" : `${slots} slots`;
}

function versionOf({ version, protocolLowest, protocolHighest }: WorkerView): string {
  const protocol =
    protocolLowest === protocolHighest
      ? `${protocolLowest}`
      : `${protocolLowest}–${protocolHighest}`;
  return `${version ?? "not said"}, protocol ${protocol}`;
}

function act({ id, drainingAt }: WorkerView): Html {
  const isDrained = drainingAt !== null;
  return html`<form method="post" action="/workers/${id}/${isDrained ? "resume" : "drain"}">
    <button class="plain">${isDrained ? "Resume" : "Drain"}</button>
  </form>`;
}
