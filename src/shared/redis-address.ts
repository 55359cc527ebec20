/** How `TATARA_REDIS_URL` may begin: a host, a host behind TLS, or the socket of this machine. */
const ADDRESS = /^(?:rediss?:\/\/|unix:\/\/\/|\/)/;
const DEFAULT_PORT = "6379";

/** What is wrong with it; never the text itself, which may hold a password. */
export function redisAddressProblem(name: string, text: string): string | undefined {
  const isSocket = text.startsWith("/") || text.startsWith("unix:");
  if (ADDRESS.test(text) && (isSocket || isHost(text))) return undefined;
  const scheme = /^[a-z][a-z0-9+.-]*:\/\//i.exec(text)?.[0];
  const seen = scheme === undefined || ADDRESS.test(scheme) ? "" : `, not ${scheme}`;
  return `${name}: redis://host:6379, rediss://host:6379 or the path of a socket is expected${seen}`;
}

function isHost(text: string): boolean {
  return URL.canParse(text) && new URL(text).hostname !== "";
}

/** Where it is, for people: `127.0.0.1:6379` or the path of the socket. Without user and password. */
export function redisPlace(url: string): string {
  if (url.startsWith("/")) return url.replace(/\?.*$/s, "");
  if (url.startsWith("unix:")) return new URL(url).pathname;
  if (!URL.canParse(url)) return "the address in TATARA_REDIS_URL";
  const { hostname, port } = new URL(url);
  return `${hostname}:${port === "" ? DEFAULT_PORT : port}`;
}

/** Why it cannot be reached, in few words: `ECONNREFUSED`, `WRONGPASS invalid …`. */
export function redisReason(err: unknown): string {
  if (!(err instanceof Error)) return String(err);
  // Several addresses of one name that all refuse come as one error without words.
  if ("code" in err && typeof err.code === "string") return err.code;
  return err.message.split("\n", 1)[0] ?? err.name;
}

export function redisAway(url: string, reason: string): string {
  return `cannot reach ${redisPlace(url)} (${reason}): builds start up to 30 s late, nothing is lost`;
}
