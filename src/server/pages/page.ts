import type { AssetAddresses } from "../assets.ts";
import type { Counts } from "../views.ts";
import type { Html } from "./html.ts";
import type { Favicon } from "./icons.ts";

export const THEMES = ["auto", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

/** What every page knows beside its own data: who asks, where from, and how the server is. */
export interface PageContext {
  /** Address of this server as its users write it, without a slash at the end. */
  readonly publicUrl: string;
  readonly now: number;
  /** Path and query as asked for. */
  readonly path: string;
  readonly theme: Theme;
  readonly assets: AssetAddresses;
  /** Whether the reader may do more than read; undefined for strangers. */
  readonly visitor: "admin" | "reader" | undefined;
  /** Undefined for strangers. */
  readonly counts: Counts | undefined;
  /** Why this server refuses work; empty while it does not, and for strangers. */
  readonly problems: readonly string[];
}

/** A page without its frame. */
export interface Page {
  /** What it shows, with the mark of the state where there is one. */
  readonly title: string;
  readonly icon: Favicon;
  /** From the left: where in the product this is. The last one is the page itself. */
  readonly trail: readonly Crumb[];
  readonly main: Html;
  /** `fill`: the page is as tall as the window, and the log scrolls in it. */
  readonly shape?: "fill";
}

export interface Crumb {
  readonly text: string;
  readonly href?: string;
}
