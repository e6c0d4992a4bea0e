// Node 18 has WebCrypto, but not under its global name.

export async function webCrypto(): Promise<Crypto> {
  if (globalThis.crypto) return globalThis.crypto;
  const node = "node:crypto"; // a name of its own, so that no bundler for browsers looks for it
  return ((await import(node)) as { webcrypto: Crypto }).webcrypto;
}

/** 128 random bits in hexadecimal. */
export async function randomKey(): Promise<string> {
  const bytes = (await webCrypto()).getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
