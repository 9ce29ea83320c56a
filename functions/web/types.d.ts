/** The JSON documents of the API, for the type checker only: browsers never load this file. */

export type State = "importing" | "queued" | "converting" | "ready" | "failed" | "cancelled" | "expired";

/** A job; sizes in bytes, `length` and `missing_seconds` in seconds, times in ISO 8601. */
export interface Job {
  job_id: string;
  state: State;
  percent: number;
  file_name: string;
  source_url: string | null;
  username: string;
  video_bytes: number | null;
  mp3_fid: string | null;
  mp3_bytes: number | null;
  length: number | null;
  missing_seconds: number | null;
  options: { start?: number | null; end?: number | null };
  error: { code: string; detail: string } | null;
  created_at: string;
  updated_at: string;
  ended_at: string | null;
  expires_at: string | null;
  /** The requested format until the job is ready; the fields below are null until then. */
  format: string;
  codec: string | null;
  bitrate: number | null;
  sample_rate: number | null;
  channels: number | null;
  copied: boolean | null;
  cut: { start: number; end: number } | null;
  notifications: { channel: string; delivered_at: string | null; error: string | null }[];
  links: { self: string; download?: string; waveform?: string; page?: string };
}

/** A page of jobs, or what has changed since a cursor. */
export interface JobPage {
  jobs: Job[];
  /** Only in an answer to `changed_since`. */
  deleted?: string[];
  cursor: string;
  links: { next?: string };
}

/** A signed link, which works without a sign-in until `expires_at`. */
export interface SignedLink {
  url: string;
  expires_at: string;
}

/** Who is signed in. */
export interface Identity {
  username: string;
  admin: boolean;
}

/** The answer to a sign-in or to a refresh. */
export interface TokenAnswer {
  access_token: string;
  token_type: string;
  expires_in: number;
}

/** What a link in an email is for. */
export type Purpose = "sign-up" | "reset";

/** What login offers to people who cannot sign in. */
export interface Offers {
  sign_up: boolean;
  password_reset: boolean;
  /** The name of the identity provider, if there is one. */
  provider: string | null;
}

/** How to send somebody to the identity provider. */
export interface Provider {
  issuer: string;
  authorization_endpoint: string;
  client_id: string;
  redirect_uri: string;
  scope: string;
}

export interface SendOptions {
  query?: Record<string, string | number | null | undefined>;
  json?: unknown;
  headers?: Record<string, string>;
  /** Whether the request goes on when the page is left. */
  keepalive?: boolean;
  signal?: AbortSignal;
  /** Seconds after which the request is given up. */
  timeout?: number;
}

declare global {
  interface DocumentEventMap {
    "job-uploaded": CustomEvent<Job>;
    "show-jobs-of": CustomEvent<string>;
    "place-free": Event;
  }
}
