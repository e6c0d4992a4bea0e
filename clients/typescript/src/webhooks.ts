// Webhooks by the Standard Webhooks scheme: https://www.standardwebhooks.com

import { fromBase64 } from "./base64.js";
import { webCrypto } from "./crypto.js";
import { ForgedWebhook } from "./errors.js";
import type { Finished } from "./types.js";

const MAX_SIGNATURES = 16;

export interface VerifyOptions {
  /** How far its time may be from ours: 300 s. */
  toleranceS?: number;
}

/** As they came: of a server's request, or a `Headers`. */
export type WebhookHeaders = Headers | Readonly<Record<string, string | string[] | undefined>>;

/**
 * What the server sent: the job's end, the same as `status` answers it.
 *
 * `payload` is the body's bytes or text, unchanged. `secret`: `whsec_…`, or several while one is being replaced.
 * Throws ForgedWebhook. `webhook-id` is the same at every attempt of one delivery: keep it, and take each but once.
 */
export async function verify(
  payload: string | Uint8Array,
  headers: WebhookHeaders,
  secret: string | readonly string[],
  { toleranceS = 300 }: VerifyOptions = {},
): Promise<Finished> {
  const id = header(headers, "webhook-id");
  const timestamp = header(headers, "webhook-timestamp");
  const signatures = header(headers, "webhook-signature").split(" ").slice(0, MAX_SIGNATURES);
  if (!/^\d{1,12}$/.test(timestamp)) throw new ForgedWebhook("webhook-timestamp is no number");
  if (Math.abs(Date.now() / 1_000 - Number(timestamp)) > toleranceS) {
    throw new ForgedWebhook("webhook-timestamp is too far from this machine's time");
  }
  const body = typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
  const signed = joined(new TextEncoder().encode(`${id}.${timestamp}.`), body);
  const { subtle } = await webCrypto();
  for (const each of typeof secret === "string" ? [secret] : secret) {
    const key = await subtle.importKey("raw", secretBytes(each), { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
    for (const signature of signatures) {
      const bytes = signatureBytes(signature);
      if (bytes && (await subtle.verify("HMAC", key, bytes, signed))) return parsed(body);
    }
  }
  throw new ForgedWebhook("no signature in webhook-signature is of this secret");
}

function parsed(body: Uint8Array): Finished {
  try {
    return JSON.parse(new TextDecoder().decode(body)) as Finished;
  } catch {
    throw new ForgedWebhook("the body is no JSON");
  }
}

function header(headers: WebhookHeaders, name: string): string {
  const value = headers instanceof Headers ? headers.get(name) : Object.entries(headers).find(([each]) => each.toLowerCase() === name)?.[1];
  if (typeof value !== "string" || value === "") throw new ForgedWebhook(`${name} is missing`);
  return value;
}

function secretBytes(secret: string): Uint8Array<ArrayBuffer> {
  try {
    const bytes = fromBase64(secret.replace(/^whsec_/, ""));
    if (bytes.length > 0) return bytes;
  } catch {
    // told below, without the secret
  }
  throw new TypeError("secret: expected whsec_ and base64");
}

function signatureBytes(signature: string): Uint8Array<ArrayBuffer> | undefined {
  const [version, base64] = signature.split(",", 2);
  if (version !== "v1" || !base64) return undefined;
  try {
    return fromBase64(base64);
  } catch {
    return undefined;
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(first.length + second.length);
  whole.set(first);
  whole.set(second, first.length);
  return whole;
}
