export type * as api from "./api.js";
export { Imgen, type ImgenOptions, type OrderOptions } from "./client.js";
export {
  BadRequest,
  Blocked,
  Cancelled,
  Conflict,
  Failed,
  Forbidden,
  ForgedWebhook,
  ImgenError,
  JobError,
  NotFound,
  NotImgen,
  QueueFull,
  RateLimited,
  Refusal,
  ServerError,
  TimedOut,
  TooLarge,
  Unauthorized,
  Unavailable,
  Unreachable,
} from "./errors.js";
export { Job, type WaitOptions } from "./job.js";
export { Picture, type Credentials } from "./picture.js";
export type { Waiting } from "./transport.js";
export {
  isPending,
  type Finished,
  type GenerateOptions,
  type Meta,
  type Models,
  type Ordered,
  type Pending,
  type Status,
  type Usage,
  type Verification,
} from "./types.js";
export * as webhooks from "./webhooks.js";
