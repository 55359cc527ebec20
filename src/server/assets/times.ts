/** `3.4s`, `1m 51s`, `2h 05m`: as short as it can be told apart. The same on server and in browser. */
export function duration(ms: number): string {
  if (ms < 950) return `${Math.max(0, Math.round(ms))}ms`;
  if (ms < 9_950) return `${(ms / 1_000).toFixed(1)}s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m ${pad(seconds % 60)}s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours}h ${pad(minutes % 60)}m` : `${Math.floor(hours / 24)}d`;
}

/** `just now`, `5 min ago`, `yesterday`, and the date for what is older than a month. */
export function ago(at: number, now: number): string {
  const seconds = Math.max(0, Math.round((now - at) / 1_000));
  if (seconds < 10) return "just now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ago`;
  if (seconds < 2 * 86_400) return "yesterday";
  if (seconds < 30 * 86_400) return `${Math.floor(seconds / 86_400)} days ago`;
  return new Date(at).toISOString().slice(0, 10);
}

function pad(number: number): string {
  return String(number).padStart(2, "0");
}
