export interface SigningKey {
  readonly fingerprint: string;
  /** `4F2A 91C0 … 77B3` */
  readonly short: string;
}

/** The key that the server hands to hosts; undefined before the publish worker has made it. */
export async function readSigningKey(
  serverUrl: string,
  signal: AbortSignal,
): Promise<SigningKey | undefined> {
  try {
    const response = await fetch(`${serverUrl}/yum/keys/fingerprint`, { signal });
    const fingerprint = (await response.text()).trim();
    if (!response.ok || !/^[0-9A-F]{40}$/.test(fingerprint)) return undefined;
    const [first, second] = fingerprint.match(/.{4}/g) ?? [];
    return { fingerprint, short: `${first} ${second} … ${fingerprint.slice(-4)}` };
  } catch {
    signal.throwIfAborted();
    return undefined; // The server went away; others say so.
  }
}
