// One class for each kind of thing that can go wrong. `kind` tells them apart where `instanceof` cannot,
// as between two copies of this package.

/** Of every error of this package: `catch (error) { if (error instanceof ImgenError) … }`. */
export abstract class ImgenError extends Error {
  abstract readonly kind: string;
  /** Whether the same request may succeed a moment later. The client has then tried that already. */
  readonly transient: boolean = false;
  override get name(): string {
    return this.constructor.name;
  }
}

export interface Refused {
  /** Of HTTP. */
  readonly status: number;
  /** The API's own. */
  readonly words: string;
  /** A sentence more, or "". */
  readonly detail: string;
  /** By which the server's log knows this answer; "" where it has none. */
  readonly requestId: string;
  /** After how many seconds it is worth asking again, where the server said so. */
  readonly retryAfter: number | undefined;
}

/** The server answered, and refused. */
export class Refusal extends ImgenError implements Refused {
  readonly kind: string = "refused";
  readonly status: number;
  readonly words: string;
  readonly detail: string;
  readonly requestId: string;
  readonly retryAfter: number | undefined;
  override readonly transient: boolean;

  constructor(refused: Refused) {
    super(refused.detail ? `${refused.words}: ${refused.detail}` : refused.words);
    this.status = refused.status;
    this.words = refused.words;
    this.detail = refused.detail;
    this.requestId = refused.requestId;
    this.retryAfter = refused.retryAfter;
    const { status } = refused;
    // With a detail it tells of what a moment does not change, such as a model without weights.
    this.transient = status === 408 || status === 429 || (status >= 500 && !refused.detail);
  }
}

/** 400: the request itself is wrong; the message says what. */
export class BadRequest extends Refusal {
  override readonly kind = "bad_request";
}
/** 401: no key, or one that is unknown or disabled. */
export class Unauthorized extends Refusal {
  override readonly kind = "unauthorized";
}
/** 403: the key was made for something else; or a link that has expired. */
export class Forbidden extends Refusal {
  override readonly kind = "forbidden";
}
/** 404: `cache_only`, and there is no such picture; or an address that the server does not have. */
export class NotFound extends Refusal {
  override readonly kind = "not_found";
}
/** 409: the idempotency key was used for another request; or the job is finished already. */
export class Conflict extends Refusal {
  override readonly kind = "conflict";
}
/** 413. */
export class TooLarge extends Refusal {
  override readonly kind = "too_large";
}
/** 429: more than this key may; `retryAfter` says when. */
export class RateLimited extends Refusal {
  override readonly kind = "rate_limited";
}
/** 503: as many jobs wait as may; `retryAfter` says when to come again. */
export class QueueFull extends Refusal {
  override readonly kind = "queue_full";
}
/** 503: busy, full or shutting down; `retryAfter` says when to come again. */
export class Unavailable extends Refusal {
  override readonly kind = "unavailable";
}
/** Any other 5xx. */
export class ServerError extends Refusal {
  override readonly kind = "server_error";
}

const BY_STATUS = new Map<number, typeof Refusal>([
  [400, BadRequest],
  [401, Unauthorized],
  [403, Forbidden],
  [404, NotFound],
  [409, Conflict],
  [413, TooLarge],
  [429, RateLimited],
  [503, Unavailable],
]);

export function refusal(refused: Refused): Refusal {
  if (refused.words === "Queue is full") return new QueueFull(refused);
  const kind = BY_STATUS.get(refused.status) ?? (refused.status >= 500 ? ServerError : Refusal);
  return new kind(refused);
}

/** No answer came, however often it was asked. */
export class Unreachable extends ImgenError {
  readonly kind = "unreachable";
  override readonly transient = true;
}
/** A connection on which nothing comes any more. */
export class Silent extends Unreachable {}

/** Something answered, but not as an imgen server does. */
export class NotImgen extends ImgenError {
  readonly kind = "not_imgen";
}

/** A job that ended without a picture. */
export abstract class JobError extends ImgenError {
  readonly jobId: string;
  constructor(jobId: string, message: string) {
    super(message);
    this.jobId = jobId;
  }
}

/** The reviewer found the picture unsafe. */
export class Blocked extends JobError {
  readonly kind = "blocked";
  /** Ids of the ruleset's categories that it fell under. */
  readonly categories: readonly string[];
  /** Of the picture, for moderators; undefined where there is none for this key. */
  readonly unsafeUrl: string | undefined;

  constructor(jobId: string, message: string, categories: readonly string[], unsafeUrl: string | undefined) {
    super(jobId, message);
    this.categories = categories;
    this.unsafeUrl = unsafeUrl;
  }
}
export class Failed extends JobError {
  readonly kind = "failed";
}
/** The server did not make it in time. */
export class TimedOut extends JobError {
  readonly kind = "timed_out";
}
export class Cancelled extends JobError {
  readonly kind = "cancelled";
}

/** A webhook that was not sent by the server that the secret is of, or is too old. */
export class ForgedWebhook extends ImgenError {
  readonly kind = "forged_webhook";
}
