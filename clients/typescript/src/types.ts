// What api.ts, made from the server's description, says, under the names that this package speaks of.

import type {
  BlockedAnswer,
  CancelledAnswer,
  CompletedAnswer,
  FailedAnswer,
  GenerateAnswer,
  GenerateRequest,
  KeyVerifyAnswer,
  ModelsAnswer,
  OptimizeAnswer,
  PictureMeta,
  QueuedAnswer,
  RandomAnswer,
  RunningAnswer,
  TimedOutAnswer,
  UsageAnswer,
  VerifyAnswer,
} from "./api.js";

/** What `generate` takes beside the prompt, under the API's own names. */
export type GenerateOptions = Omit<GenerateRequest, "action" | "prompt" | "model" | "idempotency_key"> & {
  model?: string;
};
export type Ordered = GenerateAnswer;
export type Meta = PictureMeta;
export type Pending = QueuedAnswer | RunningAnswer;
export type Finished = CompletedAnswer | BlockedAnswer | FailedAnswer | TimedOutAnswer | CancelledAnswer;
export type Status = Pending | Finished;
export type Models = ModelsAnswer;
export type Usage = UsageAnswer;
/** Without a key `evidence` and `picture` are never told. */
export type Verification = VerifyAnswer & Partial<Pick<KeyVerifyAnswer, "evidence" | "picture">>;
export type Prompted = OptimizeAnswer | RandomAnswer;

export function isPending(status: Status): status is Pending {
  return status.status === "IN_QUEUE" || status.status === "IN_PROGRESS";
}
