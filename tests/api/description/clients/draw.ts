// With what openapi-typescript makes of the description.
import createClient from "openapi-fetch";
import type { components, paths } from "./imgen.js";

type Answer<Name extends keyof components["schemas"]> = components["schemas"][Name];
const { IMGEN_URL, IMGEN_API_KEY } = process.env;
const client = createClient<paths>({
  baseUrl: IMGEN_URL,
  headers: { Authorization: `Bearer ${IMGEN_API_KEY}` },
});

const ordered = await client.POST("/api/v2", {
  body: { action: "generate", prompt: "@mira waving, -rain", format: "png", seed: 7 },
});
if (ordered.error) throw new Error(ordered.error.error);
const { id } = ordered.data as Answer<"GenerateAnswer">;

for (;;) {
  const { data, error } = await client.POST("/api/v2", { body: { action: "status", id } });
  if (error) throw new Error(error.error);
  if (!("status" in data)) throw new Error("no status");
  if (data.status === "COMPLETED" && "meta" in data) {
    console.log(data.meta.images[0].url);
    break;
  }
  if (data.status !== "IN_QUEUE" && data.status !== "IN_PROGRESS") throw new Error(data.status);
  await new Promise((resolve) => setTimeout(resolve, 100));
}

// @ts-expect-error: no action has this name
const unknown: paths["/api/v2"]["post"]["requestBody"]["content"]["application/json"] = { action: "paint" };
