import type { RequestHandler } from "express";

const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  // Browsers that know trusted types let only our one policy turn text into markup.
  "require-trusted-types-for 'script'",
  "trusted-types tatara",
].join("; ");

/** Nothing a build made is ever more than a file. */
export const FILE_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'";

const SHARED = {
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "same-origin",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
};

/** Headers of every page. */
export const pageHeaders: RequestHandler = (_request, response, next) => {
  response.set({
    ...SHARED,
    "Content-Security-Policy": PAGE_POLICY,
    "Cache-Control": "private, no-cache",
    Vary: "Accept, Cookie",
  });
  next();
};

/** Headers of everything that is no page. */
export const dataHeaders: RequestHandler = (_request, response, next) => {
  response.set({
    ...SHARED,
    "Content-Security-Policy": FILE_POLICY,
    "Cache-Control": "private, no-cache",
    Vary: "Accept, Authorization, Cookie",
  });
  next();
};
