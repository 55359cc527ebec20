import { Idiomorph } from "idiomorph";
import { CHUNK_ROWS, LogRows } from "./log-rows.ts";
import { LogWindow, type Lines } from "./log-window.ts";

const FIRST_ROWS = 2 * CHUNK_ROWS;
const AGAIN_MS = 2_000;
const WRAP_KEY = "tatara-wrap";
const UPWARDS: ReadonlySet<string> = new Set(["ArrowUp", "PageUp", "Home"]);

/**
 * A step's log, however long: fetches the rows near the window, follows the end while the step
 * runs, and leaves readers alone when they scroll up.
 */
export class LogView extends HTMLElement {
  private rows = new LogRows("");
  private pane: LogWindow | undefined;
  private readonly pill = document.createElement("button");
  private readonly followButton = toolButton("Follow", () => this.toggleFollow());
  private readonly wrapButton = toolButton("Wrap", () => this.toggleWrap());
  private readonly failureButton = toolButton("Failure", () => this.showFailure());
  private closing = new AbortController();
  /** The reader wants the end: of this step, and of the one that follows it. */
  private isFollowing = false;
  private isWorking = false;
  private isLookWanted = false;
  private isDrawWanted = false;
  /** Rows there were when the reader last saw the end. */
  private seenRows = 0;
  private lastTop = 0;
  private hits: Lines | undefined;
  /** Another step's log, offered while the reader reads this one. */
  private offered: Element | undefined;

  connectedCallback(): void {
    this.closing = new AbortController();
    const { signal } = this.closing;
    const { body } = this;
    this.pill.className = "log-pill";
    this.pill.type = "button";
    this.pill.hidden = true;
    this.append(this.pill);
    this.addTools();
    body.addEventListener("scroll", () => this.scrolled(), { signal, passive: true });
    body.addEventListener("wheel", ({ deltaY }) => this.letGo(deltaY < 0), {
      signal,
      passive: true,
    });
    body.addEventListener("touchmove", () => this.letGo(!this.pane?.isAtEnd), {
      signal,
      passive: true,
    });
    body.addEventListener("keydown", ({ key }) => this.letGo(UPWARDS.has(key)), { signal });
    this.addEventListener("click", (event) => this.clicked(event), { signal });
    window.addEventListener("hashchange", () => void this.openAtAddress(), { signal });
    const resized = new ResizeObserver(() => this.pane?.remeasure(this.rows, this.isFollowing));
    resized.observe(body);
    signal.addEventListener("abort", () => resized.disconnect());
    void this.open();
  }

  disconnectedCallback(): void {
    this.closing.abort();
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

  /** The page was drawn anew: with the same log in another state, or with another step's. */
  offer(fresh: Element): void {
    const isSame = fresh.getAttribute("data-key") === this.dataset["key"];
    const isReading = !this.isFollowing && this.rows.totalRows > 0;
    if (!isSame && isReading) {
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
    localStorage.setItem(WRAP_KEY, isWrapped ? "on" : "off");
    this.wrapButton.setAttribute("aria-pressed", String(isWrapped));
    this.pane?.forgetHeights();
    this.draw();
    void this.work();
  }

  showFailure(): void {
    const line = Number(this.dataset["line"]);
    if (line > 0) void this.showLines([line, line]);
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
    const rows = new LogRows(this.dataset["rows"] ?? "");
    this.rows = rows;
    this.pane = new LogWindow(this.body);
    this.offered = undefined;
    this.seenRows = 0;
    this.hits = undefined;
    try {
      await this.openAtPlace(rows);
    } catch {
      if (rows === this.rows) this.tryAgain(() => void this.open());
    }
  }

  /** At the lines of the address, at the failure, at the end of what runs or broke, or at the top. */
  private async openAtPlace(rows: LogRows): Promise<void> {
    const { signal } = this.closing;
    const line = Number(this.dataset["line"]);
    const lines = readHash() ?? (line > 0 ? ([line, line] as const) : undefined);
    this.follow(this.isLive && lines === undefined);
    if (lines !== undefined) return await this.showLines(lines);
    const isAtEnd = this.isLive || this.dataset["state"] !== "passed";
    await rows.ask(isAtEnd ? { tail: FIRST_ROWS } : { from: 0, count: FIRST_ROWS }, signal);
    if (rows !== this.rows) return;
    if (rows.totalRows === 0) this.sayEmpty();
    this.pane?.draw(rows, isAtEnd);
    this.seenRows = rows.totalRows;
    await this.work();
  }

  private async openAtAddress(): Promise<void> {
    const lines = readHash();
    if (lines !== undefined) await this.showLines(lines);
  }

  private async showLines(lines: Lines): Promise<void> {
    this.follow(false);
    this.hits = lines;
    const { rows } = this;
    const row = await rows.fetchLine(lines[0], this.closing.signal);
    if (rows !== this.rows) return;
    if (rows.totalRows === 0) this.sayEmpty();
    else this.pane?.showLine(rows, lines[0], row);
    this.pane?.mark(lines);
    this.seenRows = rows.totalRows;
    await this.work();
  }

  /** Fetches what is wanted, the newest wish first, until nothing is. */
  private async work(): Promise<void> {
    if (this.isWorking) return;
    this.isWorking = true;
    try {
      while (await this.fetchNext()) this.draw();
    } catch {
      this.tryAgain(() => this.look());
    } finally {
      this.isWorking = false;
    }
  }

  private async fetchNext(): Promise<boolean> {
    const { rows, closing } = this;
    if (this.isLookWanted) {
      this.isLookWanted = false;
      await rows.ask({ tail: this.isFollowing ? FIRST_ROWS : 1 }, closing.signal);
      return true;
    }
    if (this.pane === undefined || rows.totalRows === 0) return false;
    const [first, last] = this.pane.chunksInView();
    return await rows.fetchMissing(first, last, closing.signal);
  }

  /** The server is away for a moment, or was restarted: what is here stays and is added to. */
  private tryAgain(what: () => void): void {
    const { signal } = this.closing;
    if (signal.aborted) return;
    const timer = setTimeout(what, AGAIN_MS);
    signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  }

  private draw(): void {
    this.pane?.draw(this.rows, this.isFollowing);
    this.lastTop = this.body.scrollTop;
    this.showPill();
  }

  private scrolled(): void {
    const { scrollTop } = this.body;
    const isDown = scrollTop > this.lastTop;
    this.lastTop = scrollTop;
    const isAtEnd = this.pane?.isAtEnd ?? false;
    if (isAtEnd && isDown && this.isLive && !this.isFollowing) this.follow(true);
    // The scroll bar was pulled up: no wheel and no key said so.
    this.letGo(!isAtEnd && !isDown);
    if (this.isDrawWanted) return;
    this.isDrawWanted = true;
    requestAnimationFrame(() => {
      this.isDrawWanted = false;
      this.draw();
      void this.work();
    });
  }

  private letGo(isUpwards: boolean): void {
    if (isUpwards && this.isFollowing) this.follow(false);
  }

  private follow(isOn: boolean): void {
    this.isFollowing = isOn;
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
    this.pill.hidden = next === undefined && fresh <= 0;
    const lines = `${fresh.toLocaleString("en-US")} new ${fresh === 1 ? "line" : "lines"}`;
    this.pill.textContent = `${next === undefined ? lines : `Now: ${next}`} ↓`;
  }

  private clicked(event: MouseEvent): void {
    if (!(event.target instanceof Element)) return;
    if (event.target === this.pill) this.acceptPill();
    const number = event.target.closest("a.n");
    if (number === null) return;
    event.preventDefault();
    const line = Number(number.textContent);
    const first = event.shiftKey && this.hits !== undefined ? this.hits[0] : line;
    const [from, to] = [Math.min(first, line), Math.max(first, line)];
    this.hits = [from, to];
    history.replaceState(null, "", from === to ? `#L${from}` : `#L${from}-L${to}`);
    this.follow(false);
    this.pane?.mark(this.hits);
  }

  private acceptPill(): void {
    const { offered } = this;
    if (offered === undefined) return this.follow(true);
    this.take(offered);
    void this.open();
  }

  private take(fresh: Element): void {
    for (const name of ["data-rows", "data-key", "data-state", "data-live", "data-line"]) {
      this.setAttribute(name, fresh.getAttribute(name) ?? "");
    }
    const [head, next] = [this, fresh].map((view) => view.querySelector(".log-head"));
    if (head && next) {
      const isOurs = (old: Node): boolean => old instanceof Element && old.matches(".log-tools");
      void Idiomorph.morph(head, next, { callbacks: { beforeNodeMorphed: (old) => !isOurs(old) } });
    }
    this.follow(this.isFollowing);
  }

  private addTools(): void {
    const isWrapped = localStorage.getItem(WRAP_KEY) !== "off";
    this.body.classList.toggle("wrap", isWrapped);
    this.wrapButton.setAttribute("aria-pressed", String(isWrapped));
    const tools = [this.failureButton, this.followButton, this.wrapButton];
    this.querySelector(".log-tools")?.replaceChildren(...tools);
  }

  private sayEmpty(): void {
    const note = document.createElement("p");
    note.className = "log-note";
    note.textContent = this.isLive ? "Nothing printed yet." : "This step printed nothing.";
    this.body.replaceChildren(note);
  }
}

export function defineLogView(): void {
  customElements.define("log-view", LogView);
}

function toolButton(label: string, onClick: () => void): HTMLButtonElement {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "plain";
  button.textContent = label;
  button.addEventListener("click", onClick);
  return button;
}

function readHash(): Lines | undefined {
  const [, first, last] = /^#L(\d{1,9})(?:-L(\d{1,9}))?$/.exec(location.hash) ?? [];
  return first === undefined ? undefined : [Number(first), Number(last ?? first)];
}
