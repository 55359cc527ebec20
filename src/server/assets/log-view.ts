import { Idiomorph } from "idiomorph";
import { LogLayout } from "./log-layout.ts";
import { logRowMarkup } from "./log-row.ts";
import { CHUNK_ROWS, LogRows, type Row } from "./log-rows.ts";
import { parseMarkup } from "./markup.ts";

/** Drawn above and below the window, so that a turn of the wheel meets no blank. */
const MARGIN_PX = 500;
const TAIL_ROWS = 2 * CHUNK_ROWS;
const ROWS_ABOVE_TARGET = 10;
const AT_END_PX = 24;
const AGAIN_MS = 2_000;
const WRAP = "tatara-wrap";

/**
 * A step's log, however long: fetches the rows near the window, mounts at most a few chunks of
 * them, follows the end while the step runs, and leaves the reader alone when they scroll up.
 */
export class LogView extends HTMLElement {
  private rows = new LogRows("");
  private layout = new LogLayout();
  private readonly mounted = new Map<number, HTMLElement>();
  private readonly sizer = document.createElement("div");
  private readonly pill = document.createElement("button");
  private readonly followButton = toolButton("Follow");
  private readonly wrapButton = toolButton("Wrap");
  private readonly failureButton = toolButton("Failure");
  private closing = new AbortController();
  private isFollowing = false;
  private isFetching = false;
  private isLookWanted = false;
  private isDrawWanted = false;
  private seenRows = 0;
  private barTop = 0;
  /** Lines of the address: `#L120` or `#L120-L140`. */
  private hit: readonly [first: number, last: number] | undefined;
  /** Another step's log, offered while the reader reads this one. */
  private offered: Element | undefined;

  connectedCallback(): void {
    this.sizer.className = "log-sizer";
    this.pill.className = "log-pill";
    this.pill.type = "button";
    this.pill.hidden = true;
    this.append(this.pill);
    this.addTools();
    const { signal } = this.closing;
    this.body.addEventListener("scroll", () => this.scrolled(), { signal, passive: true });
    this.addEventListener("click", (event) => this.clicked(event), { signal });
    window.addEventListener("hashchange", () => void this.openAtAddress(), { signal });
    const resized = new ResizeObserver(() => this.remeasure());
    resized.observe(this.body);
    signal.addEventListener("abort", () => resized.disconnect());
    void this.open();
  }

  disconnectedCallback(): void {
    this.closing.abort();
    this.closing = new AbortController();
    this.mounted.clear();
  }

  /** The log has grown, if it is this one. */
  grew(key: string): void {
    if (key === this.dataset["key"]) this.look();
  }

  /** Asks how long the log is by now. One question at a time; the newest answer counts. */
  look(): void {
    this.isLookWanted = true;
    void this.work();
  }

  /** The page was drawn anew: the same log in another state, or another step's. */
  offer(fresh: Element): void {
    const isSame = fresh.getAttribute("data-key") === this.dataset["key"];
    if (!isSame && !this.isFollowing && this.rows.totalRows > 0) {
      this.offered = fresh;
      this.showPill();
      return;
    }
    this.take(fresh);
    if (isSame) this.look();
    else void this.open();
  }

  toggleFollow(): void {
    this.follow(!this.isFollowing);
  }

  toggleWrap(): void {
    const isWrapped = this.body.classList.toggle("wrap");
    localStorage.setItem(WRAP, isWrapped ? "on" : "off");
    this.wrapButton.setAttribute("aria-pressed", String(isWrapped));
    this.remeasure();
  }

  showFailure(): void {
    const line = Number(this.dataset["line"]);
    if (line > 0) void this.showLine(line);
  }

  private get body(): HTMLElement {
    const body = this.querySelector<HTMLElement>(".log-body");
    if (body === null) throw new Error("A log view has a body.");
    return body;
  }

  private get isLive(): boolean {
    return this.dataset["live"] === "true";
  }

  private async open(): Promise<void> {
    this.rows = new LogRows(this.dataset["rows"] ?? "");
    this.layout = new LogLayout();
    this.offered = undefined;
    this.seenRows = 0;
    this.clear();
    try {
      await this.openAtPlace();
    } catch {
      this.tryAgain(() => void this.open());
    }
  }

  private async openAtPlace(): Promise<void> {
    const { signal } = this.closing;
    const line = Number(this.dataset["line"]);
    const isAddressed = readHash() !== undefined;
    if (isAddressed) await this.openAtAddress();
    else if (line > 0) await this.showLine(line);
    else {
      await this.rows.fetchTail(TAIL_ROWS, signal);
      this.replaceServerRows();
      const isAtEnd = this.isLive || this.dataset["state"] === "failed";
      this.draw();
      if (isAtEnd) this.scrollToEnd();
    }
    this.follow(this.isLive && !isAddressed);
  }

  private async openAtAddress(): Promise<void> {
    this.hit = readHash();
    if (this.hit === undefined) return;
    await this.showLine(this.hit[0]);
    this.markHits();
  }

  private async showLine(line: number): Promise<void> {
    this.follow(false);
    this.hit ??= [line, line];
    if (line < this.hit[0] || line > this.hit[1]) this.hit = [line, line];
    const row = await this.rows.fetchLine(line, this.closing.signal);
    this.replaceServerRows();
    this.layout.setRows(this.rows.totalRows);
    const chunk = Math.floor(row / CHUNK_ROWS);
    const within = (row % CHUNK_ROWS) * this.layout.rowHeight;
    this.scrollToTrue(
      this.layout.topOf(chunk) + within - ROWS_ABOVE_TARGET * this.layout.rowHeight,
    );
    this.draw();
    // Rows above it may have turned out taller than thought: correct by what is on the screen.
    const shown = this.sizer.querySelector(`#L${line}`)?.getBoundingClientRect();
    if (shown !== undefined) {
      const wanted =
        this.body.getBoundingClientRect().top + ROWS_ABOVE_TARGET * this.layout.rowHeight;
      this.moveBy(shown.top - wanted);
      this.draw();
    }
    this.markHits();
    await this.work();
  }

  /** Fetches what is wanted, the newest wish first, until nothing is. */
  private async work(): Promise<void> {
    if (this.isFetching) return;
    this.isFetching = true;
    try {
      while (await this.fetchNext()) this.draw();
    } catch {
      this.tryAgain(() => this.look());
    } finally {
      this.isFetching = false;
    }
  }

  private async fetchNext(): Promise<boolean> {
    const { signal } = this.closing;
    if (this.isLookWanted) {
      this.isLookWanted = false;
      await this.rows.fetchTail(this.isFollowing ? TAIL_ROWS : 1, signal);
      this.replaceServerRows();
      return true;
    }
    if (this.rows.totalRows === 0) return false;
    const [first, last] = this.chunksInView();
    return await this.rows.fetchMissing(first, last, signal);
  }

  private tryAgain(what: () => void): void {
    const { signal } = this.closing;
    const timer = setTimeout(what, AGAIN_MS);
    signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  }

  private chunksInView(): readonly [first: number, last: number] {
    this.layout.setRows(this.rows.totalRows);
    const { clientHeight, scrollTop } = this.body;
    const top = this.layout.trueTop(scrollTop, clientHeight);
    return [
      this.layout.chunkAt(Math.max(0, top - MARGIN_PX)),
      this.layout.chunkAt(top + clientHeight + MARGIN_PX),
    ];
  }

  /** Mounts the chunks near the window, and nothing else. */
  private draw(): void {
    this.layout.setRows(this.rows.totalRows);
    this.sizer.style.height = `${this.layout.barHeight}px`;
    if (this.isFollowing) this.scrollToEnd();
    const digits = String(Math.max(1, this.rows.totalLines)).length;
    this.style.setProperty("--digits", String(digits));
    const [first, last] = this.chunksInView();
    for (const [number, element] of this.mounted) {
      if (number >= first && number <= last) continue;
      element.remove();
      this.mounted.delete(number);
    }
    for (let number = first; number <= last; number += 1) this.mount(number);
    this.settle();
    this.showPill();
  }

  private mount(number: number): void {
    const rows = this.rows.chunk(number);
    if (rows === undefined) return;
    const last = rows.at(-1);
    const version = `${rows.length} ${last?.[1].length ?? 0}`;
    const known = this.mounted.get(number);
    if (known?.dataset["version"] === version) return;
    const element = known ?? document.createElement("div");
    element.className = "log-chunk";
    element.dataset["version"] = version;
    element.replaceChildren(parseMarkup(rows.map(rowMarkup).join("")));
    if (known === undefined) {
      this.mounted.set(number, element);
      this.sizer.append(element);
    }
    this.markHits();
  }

  /** Gives every mounted chunk its place; what grew above the window must not push the reader. */
  private settle(): void {
    const { body, layout } = this;
    const before = layout.trueTop(body.scrollTop, body.clientHeight);
    let shift = 0;
    for (const [number, element] of [...this.mounted].sort(([a], [b]) => a - b)) {
      const isAbove = layout.topOf(number) < before;
      const grown = layout.measure(number, element.getBoundingClientRect().height);
      if (isAbove) shift += grown;
    }
    this.sizer.style.height = `${layout.barHeight}px`;
    if (this.isFollowing) this.scrollToEnd();
    else if (shift !== 0) this.moveBy(shift);
    const top = layout.trueTop(body.scrollTop, body.clientHeight);
    for (const [number, element] of this.mounted) {
      element.style.top = `${body.scrollTop + layout.topOf(number) - top}px`;
    }
  }

  private scrolled(): void {
    const { scrollTop, scrollHeight, clientHeight } = this.body;
    const isUp = scrollTop < this.barTop - 1;
    const isAtEnd = scrollTop + clientHeight >= scrollHeight - AT_END_PX;
    this.barTop = scrollTop;
    if (isUp && this.isFollowing) this.follow(false);
    else if (isAtEnd && this.isLive && !this.isFollowing && !isUp) this.follow(true);
    if (this.isDrawWanted) return;
    this.isDrawWanted = true;
    requestAnimationFrame(() => {
      this.isDrawWanted = false;
      this.draw();
      void this.work();
    });
  }

  private follow(isOn: boolean): void {
    this.isFollowing = isOn && this.isLive;
    this.followButton.hidden = !this.isLive;
    this.failureButton.hidden = !(Number(this.dataset["line"]) > 0);
    this.followButton.setAttribute("aria-pressed", String(this.isFollowing));
    this.seenRows = this.rows.totalRows;
    if (this.isFollowing) this.look();
    this.showPill();
  }

  /** `314 new lines`, while the reader is elsewhere. */
  private showPill(): void {
    if (this.isFollowing) this.seenRows = this.rows.totalRows;
    const fresh = this.rows.totalRows - this.seenRows;
    const next = this.offered?.querySelector("h2")?.textContent.trim();
    this.pill.hidden = next === undefined && (fresh <= 0 || !this.isLive);
    const lines = `${fresh.toLocaleString("en-US")} new ${fresh === 1 ? "line" : "lines"}`;
    this.pill.textContent = next === undefined ? `${lines} ↓` : `Now: ${next} ↓`;
  }

  private clicked(event: MouseEvent): void {
    if (!(event.target instanceof Element)) return;
    if (event.target === this.pill) this.acceptPill();
    const number = event.target.closest("a.n");
    if (number === null) return;
    event.preventDefault();
    const line = Number(number.textContent);
    const first = event.shiftKey && this.hit !== undefined ? this.hit[0] : line;
    this.hit = [Math.min(first, line), Math.max(first, line)];
    const [from, to] = this.hit;
    history.replaceState(null, "", from === to ? `#L${from}` : `#L${from}-L${to}`);
    this.follow(false);
    this.markHits();
  }

  private acceptPill(): void {
    const { offered } = this;
    if (offered === undefined) {
      this.follow(true);
      return;
    }
    this.take(offered);
    void this.open();
  }

  private markHits(): void {
    const [first, last] = this.hit ?? [0, 0];
    for (const row of this.sizer.querySelectorAll("[id]")) {
      const line = Number(row.id.slice(1));
      row.classList.toggle("hit", line >= first && line <= last);
    }
  }

  private take(fresh: Element): void {
    for (const name of ["data-rows", "data-key", "data-state", "data-live", "data-line"]) {
      this.setAttribute(name, fresh.getAttribute(name) ?? "");
    }
    const head = this.querySelector(".log-head");
    const next = fresh.querySelector(".log-head");
    if (head !== null && next !== null) {
      void Idiomorph.morph(head, next, {
        callbacks: {
          beforeNodeMorphed: (old) => !(old instanceof Element && old.matches(".log-tools")),
        },
      });
    }
    if (!this.isLive) this.follow(false);
    else this.follow(this.isFollowing);
  }

  private addTools(): void {
    const isWrapped = localStorage.getItem(WRAP) !== "off";
    this.body.classList.toggle("wrap", isWrapped);
    this.wrapButton.setAttribute("aria-pressed", String(isWrapped));
    this.wrapButton.onclick = () => this.toggleWrap();
    this.followButton.onclick = () => this.toggleFollow();
    this.failureButton.onclick = () => this.showFailure();
    this.followButton.hidden = true;
    this.failureButton.hidden = true;
    const tools = this.querySelector(".log-tools");
    tools?.replaceChildren(this.failureButton, this.followButton, this.wrapButton);
  }

  private replaceServerRows(): void {
    if (this.sizer.isConnected || this.rows.totalRows === 0) return;
    this.body.replaceChildren(this.sizer);
    this.layout.rowHeight = this.measureRow();
  }

  private clear(): void {
    for (const element of this.mounted.values()) element.remove();
    this.mounted.clear();
  }

  private remeasure(): void {
    if (!this.sizer.isConnected) return;
    const { body, layout } = this;
    const row = layout.chunkAt(layout.trueTop(body.scrollTop, body.clientHeight));
    layout.forgetHeights(this.measureRow());
    this.scrollToTrue(layout.topOf(row));
    this.draw();
    void this.work();
  }

  private measureRow(): number {
    const probe = document.createElement("div");
    probe.className = "log-chunk";
    probe.append(parseMarkup(logRowMarkup(0, "x")));
    this.sizer.append(probe);
    const { height } = probe.getBoundingClientRect();
    probe.remove();
    return height > 0 ? height : 20;
  }

  private scrollToEnd(): void {
    this.body.scrollTop = this.body.scrollHeight;
    this.barTop = this.body.scrollTop;
  }

  private scrollToTrue(top: number): void {
    this.sizer.style.height = `${this.layout.barHeight}px`;
    this.body.scrollTop = this.layout.barTop(Math.max(0, top), this.body.clientHeight);
    this.barTop = this.body.scrollTop;
  }

  private moveBy(pixels: number): void {
    const { body, layout } = this;
    this.scrollToTrue(layout.trueTop(body.scrollTop, body.clientHeight) + pixels);
  }
}

export function defineLogView(): void {
  customElements.define("log-view", LogView);
}

function rowMarkup([line, markup]: Row): string {
  return logRowMarkup(line, markup);
}

function toolButton(label: string): HTMLButtonElement {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "plain";
  button.textContent = label;
  return button;
}

function readHash(): readonly [number, number] | undefined {
  const [, first, last] = /^#L(\d{1,9})(?:-L(\d{1,9}))?$/.exec(location.hash) ?? [];
  if (first === undefined) return undefined;
  return [Number(first), Number(last ?? first)];
}
