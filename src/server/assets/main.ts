import { defineLogView } from "./log-view.ts";
import { listenForKeys } from "./keys.ts";
import { keepLive } from "./live.ts";
import { tick } from "./clock.ts";

// Everything here adds to pages that can be read without it.
document.documentElement.classList.add("scripted");
defineLogView();
keepLive();
listenForKeys();
tick();

document.addEventListener("click", (event) => {
  const button = event.target instanceof Element ? event.target.closest("button") : null;
  if (button === null) return;
  if (button.dataset["copy"] !== undefined) void copy(button, button.dataset["copy"]);
  if (button.dataset["help"] !== undefined) {
    document.querySelector<HTMLDialogElement>("#help")?.showModal();
  }
});

const COPIED_MS = 1_500;

async function copy(button: HTMLButtonElement, text: string): Promise<void> {
  const label = button.textContent;
  const isDone = await writeClipboard(text);
  button.textContent = isDone ? "Copied" : "Select and copy";
  setTimeout(() => (button.textContent = label), COPIED_MS);
}

/** The clipboard is there for trustworthy addresses only; plain http needs the older way. */
async function writeClipboard(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    field.className = "unseen";
    document.body.append(field);
    field.select();
    // oxlint-disable-next-line no-deprecated -- nothing else works over plain http
    const isDone = document.execCommand("copy");
    field.remove();
    return isDone;
  }
}
