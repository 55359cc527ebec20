import { LogView } from "./log-view.ts";

const SWITCH = "tatara-keys";
/** `g` waits this long for the letter that says where to. */
const SECOND_KEY_MS = 1_200;
const PLACES: Readonly<Record<string, string>> = {
  b: "/",
  r: "/repos",
  p: "/packages",
  c: "/channels",
};

let goAt = 0;

/** Single keys, as the help lists them. Never inside fields, and they can be switched off. */
export function listenForKeys(): void {
  const box = document.querySelector<HTMLInputElement>("[data-keys]");
  if (box !== null) {
    box.checked = localStorage.getItem(SWITCH) !== "off";
    box.addEventListener("change", () => localStorage.setItem(SWITCH, box.checked ? "on" : "off"));
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (isTyping(event.target) || document.querySelector("dialog[open]") !== null) return;
    const isOff = localStorage.getItem(SWITCH) === "off";
    // Whoever switched the keys off must be able to find the switch again.
    if (isOff && event.key !== "?") return;
    if (act(event.key)) event.preventDefault();
  });
}

function act(key: string): boolean {
  const place = Date.now() - goAt < SECOND_KEY_MS ? PLACES[key] : undefined;
  goAt = key === "g" ? Date.now() : 0;
  if (place !== undefined) {
    location.assign(place);
    return true;
  }
  const action = ACTIONS[key];
  action?.();
  return action !== undefined;
}

const ACTIONS: Readonly<Record<string, () => void>> = {
  "?": () => document.querySelector<HTMLDialogElement>("#help")?.showModal(),
  "/": () => document.querySelector<HTMLInputElement>(".search input")?.select(),
  j: () => step("[data-row] [data-open]", 1),
  k: () => step("[data-row] [data-open]", -1),
  f: () => stepFailure(1),
  F: () => stepFailure(-1),
  l: () => view()?.toggleFollow(),
  w: () => view()?.toggleWrap(),
  y: () => void navigator.clipboard?.writeText(location.href),
};

/** Moves the focus to the next or previous of these, from where it is now. */
function step(selector: string, by: 1 | -1): void {
  const all = [...document.querySelectorAll<HTMLElement>(selector)];
  if (all.length === 0) return;
  const at = all.findIndex((element) => element === document.activeElement);
  const next = at === -1 ? (by === 1 ? 0 : all.length - 1) : at + by;
  const chosen = all[Math.min(all.length - 1, Math.max(0, next))];
  chosen?.focus();
  chosen?.scrollIntoView({ block: "nearest" });
}

/** In a log, to the line that failed; elsewhere to what failed on the page. */
function stepFailure(by: 1 | -1): void {
  const selector =
    '[data-failure], [data-row][data-state="failed"], [data-row][data-state="errored"]';
  const all = [...document.querySelectorAll<HTMLElement>(selector)].map(
    (element) => element.querySelector<HTMLElement>("[data-open]") ?? element,
  );
  const at = all.findIndex((element) => element === document.activeElement);
  const next = all[at === -1 && by === -1 ? all.length - 1 : at + by];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
  if (all.length <= 1 || next === undefined) view()?.showFailure();
}

function view(): LogView | undefined {
  const found = document.querySelector("log-view");
  return found instanceof LogView ? found : undefined;
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || /^(?:input|textarea|select)$/i.test(target.tagName))
  );
}
