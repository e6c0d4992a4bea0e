import type { JSX } from "preact";

const PATHS = {
  arrowLeft: "M15 5l-7 7 7 7",
  arrowRight: "M9 5l7 7-7 7",
  auto: "M12 4a8 8 0 1 0 0 16zM12 4a8 8 0 0 1 0 16",
  blocked: "M5 5l14 14M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17z",
  check: "M5 12.5l4.5 4.5L19 7.5",
  close: "M6 6l12 12M18 6L6 18",
  copy: "M9 9h10v10H9zM5 15V5h10",
  dark: "M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10z",
  dice: "M5 5h14v14H5zM9 9h.01M15 15h.01M12 12h.01M15 9h.01M9 15h.01",
  download: "M12 4v11m-5-5l5 5 5-5M5 20h14",
  improve: "M4 7h10M4 12h7M4 17h5M14 18l1-3.5L20.5 9l2.5 2.5-5.5 5.5z",
  leave: "M13 5h6v14h-6M4 12h10m-4-4l4 4-4 4",
  light: "M12 8.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7zM12 3v2M12 19v2M3 12h2M19 12h2M5.6 5.6L7 7M17 17l1.4 1.4M18.4 5.6L17 7M7 17l-1.4 1.4",
  lock: "M6 11h12v9H6zM9 11V8a3 3 0 0 1 6 0v3",
  minus: "M6 12h12",
  plus: "M12 6v12M6 12h12",
  retry: "M19 12a7 7 0 1 1-2-5l2 2m0-5v5h-5",
  remove: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5",
  undo: "M8 5L4 9l4 4M4 9h10a5 5 0 0 1 0 10h-4",
  unlock: "M6 11h12v9H6zM9 11V8a3 3 0 0 1 5.8-1",
  upload: "M12 16V5m-5 5l5-5 5 5M5 20h14",
  without: "M5 12h14",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}

export function Mark(): JSX.Element {
  return (
    <svg class="mark" viewBox="0 0 26 26" aria-hidden="true" focusable="false">
      <path class="mark-sheet" d="M3 1h20a2 2 0 0 1 2 2v13L1 22V3a2 2 0 0 1 2-2z" />
      <path class="mark-light" d="M1 24.2L25 18v5a2 2 0 0 1-2 2H3a2 2 0 0 1-2-.8z" />
    </svg>
  );
}
