// Pictures on their way out of the page: saved, copied.

import { Picture } from "imgen-client";

export const ENDINGS: Record<string, string> = { jpeg: "jpg" };

export function ending(format: string): string {
  return ENDINGS[format] ?? format;
}

export function fileName(picture: Picture): string {
  const { gen_id, format, images } = picture.meta;
  return images.find((image) => image.type === "signed")?.filename || `${gen_id}.${ending(format)}`;
}

/** Throws ImgenError. */
export async function download(picture: Picture): Promise<void> {
  const url = URL.createObjectURL(new Blob([await picture.bytes()], { type: `image/${picture.meta.format}` }));
  const link = document.createElement("a");
  link.href = url;
  link.download = fileName(picture);
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Whether it worked: browsers let pages copy on secure origins only, else by their old command. */
export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    (document.querySelector("dialog[open]") ?? document.body).append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}
