import { html, type Html } from "./html.ts";
import type { Page } from "./page.ts";

export interface LoginData {
  /** Where to go afterwards; a path of this server. */
  readonly next: string;
  readonly problem: "none" | "link-used" | "wrong-token";
}

const PROBLEMS = {
  none: null,
  "link-used": "This link was used already, or is too old. Links work once.",
  "wrong-token": "This is not the admin token.",
} as const satisfies Record<LoginData["problem"], string | null>;

/** How to get in: by a link that the server printed, or with the admin token. */
export function loginPage({ next, problem }: LoginData): Page {
  return {
    title: "Sign in",
    icon: "none",
    trail: [{ text: "Sign in" }],
    main: html`<section class="welcome">
      <h1>Sign in</h1>
      ${problemLine(PROBLEMS[problem])}
      <p>
        Open the sign-in link that Tatara printed when it started; a restart prints a new one. Or
        paste the admin token: it is in the file <code>admin-token</code> of the server's data
        folder, unless <code>TATARA_ADMIN_TOKEN</code> sets it.
      </p>
      <form class="login" method="post" action="/login">
        <input type="hidden" name="next" value="${next}" />
        <label for="token">Admin token</label>
        <div class="field">
          <input
            id="token"
            name="token"
            type="password"
            autocomplete="current-password"
            required
            maxlength="500"
          />
          <button class="button primary">Sign in</button>
        </div>
      </form>
    </section>`,
  };
}

function problemLine(problem: string | null): Html {
  return problem === null ? html`` : html`<p class="notice" role="alert">${problem}</p>`;
}
