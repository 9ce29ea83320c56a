/** The session of the signed-in user. The access token is in memory only; the refresh token is an HttpOnly cookie. */

/** @import { Identity, TokenAnswer } from "../types" */

import { ApiError, apiUrl, send } from "./http.js";

const EARLY_SECONDS = 60;
const SIGNED_OUT = { status: 401, code: "signed_out", detail: "You have signed out. Sign in to continue." };

/**
 * Events: "signed-in", "signed-out" (also by another tab), and "expired", after which requests wait for a sign-in.
 */
class Session extends EventTarget {
  /** @type {Identity | null} */
  identity = null;
  /** Whether the user must sign in again before anything else works. */
  isExpired = false;
  /** @type {string | null} */
  #token = null;
  /** Milliseconds since 1970 at which the token is renewed, and at which it stops working. */
  #renewAt = 0;
  #expiresAt = 0;
  /** @type {Promise<string> | null} */
  #renewal = null;
  /** Requests that wait for a new sign-in. @type {PromiseWithResolvers<string> | null} */
  #waiting = null;
  #channel = new BroadcastChannel(`soundlift ${apiUrl("/").pathname}`);

  constructor() {
    super();
    this.#channel.onmessage = ({ data }) => this.#follow(data);
  }

  /** Continue the session of the cookie, if there is one. */
  async start() {
    try {
      this.#accept(await this.#refresh());
    } catch (error) {
      if (error instanceof ApiError && error.isTemporary) throw error;
      this.#clear();
    }
  }

  /**
   * Sign in; throws ApiError.
   * @param {string} email
   * @param {string} password
   */
  async signIn(email, password) {
    await this.#begin("/login", { email, password });
  }

  /**
   * Sign in with what the identity provider has answered; throws ApiError.
   * @param {{ code: string, verifier: string, nonce: string }} sent
   */
  async signInWithProvider(sent) {
    await this.#begin("/login/provider", sent);
  }

  /** End the session on the server and in every tab; throws ApiError if the server cannot be reached. */
  async signOut() {
    try {
      await send("POST", "/login/sign-out", { json: {} });
    } catch (error) {
      if (error instanceof ApiError && error.isTemporary) throw error;
    }
    this.#clear();
    this.#channel.postMessage({ event: "signed-out" });
  }

  /** Return an access token that is still valid for a while; waits for a new sign-in if the session has expired. */
  async token() {
    if (this.#token && Date.now() < this.#renewAt) return this.#token;
    return this.#renew();
  }

  /**
   * Return another token than the one that the server has refused.
   * @param {string} refused
   */
  async replace(refused) {
    if (this.#token === refused) {
      this.#token = null;
      this.#expiresAt = 0;
    }
    return this.token();
  }

  /**
   * Throw ApiError unless a user is still signed in.
   * @param {string | undefined} username
   */
  assertUser(username) {
    if (!username || this.identity?.username !== username) throw new ApiError(SIGNED_OUT);
  }

  /**
   * @param {string} path
   * @param {Record<string, string>} credentials
   */
  async #begin(path, credentials) {
    this.#accept(await send("POST", path, { json: { ...credentials, refresh: "cookie" } }));
    this.#channel.postMessage({ event: "signed-in", username: this.identity?.username });
  }

  #renew() {
    this.#renewal ??= this.#renewOnce().finally(() => {
      this.#renewal = null;
    });
    return this.#renewal;
  }

  async #renewOnce() {
    if (this.#waiting) return this.#waiting.promise;
    const username = this.identity?.username;
    this.assertUser(username);
    try {
      const answer = await this.#refresh();
      this.assertUser(username);
      return this.#accept(answer);
    } catch (error) {
      this.assertUser(username); // nobody is asked to sign in again after having signed out
      if (!(error instanceof ApiError)) throw error;
      if (!error.isTemporary) return this.#expire();
      if (this.#token && Date.now() < this.#expiresAt) return this.#token;
      throw error;
    }
  }

  /** @returns {Promise<TokenAnswer>} */
  #refresh() {
    const refresh = () => send("POST", "/login/refresh", { json: {} });
    // Two tabs must not use the same refresh token. Outside secure contexts there are no locks; the server then
    // gives both tabs the same successor if they are close enough.
    return navigator.locks ? navigator.locks.request(`soundlift refresh ${apiUrl("/").pathname}`, refresh) : refresh();
  }

  /** @param {TokenAnswer} answer */
  #accept({ access_token: token, expires_in: seconds }) {
    const identity = readIdentity(token);
    if (this.identity && this.identity.username !== identity.username) this.#clear();
    const isNew = !this.identity || this.isExpired;
    this.#token = token;
    this.#expiresAt = Date.now() + seconds * 1000;
    this.#renewAt = this.#expiresAt - Math.min(EARLY_SECONDS, seconds / 2) * 1000;
    this.identity = identity;
    this.isExpired = false;
    if (isNew) this.dispatchEvent(new Event("signed-in"));
    this.#waiting?.resolve(token);
    this.#waiting = null;
    return token;
  }

  #expire() {
    this.isExpired = true;
    this.#waiting = Promise.withResolvers();
    this.#waiting.promise.catch(() => {}); // each request that waits handles it itself
    this.dispatchEvent(new Event("expired"));
    return this.#waiting.promise;
  }

  #clear() {
    this.#token = null;
    this.identity = null;
    this.isExpired = false;
    this.#waiting?.reject(new ApiError(SIGNED_OUT));
    this.#waiting = null;
    this.dispatchEvent(new Event("signed-out"));
  }

  /** @param {{ event: string, username?: string }} message */
  #follow({ event, username }) {
    if (event === "signed-out" && this.identity) this.#clear();
    if (event === "signed-in" && (this.isExpired || this.identity?.username !== username)) {
      this.start().catch(() => {});
    }
  }
}

/**
 * Return who an access token belongs to. The server checks tokens; this only reads what to show.
 * @param {string} token
 * @returns {Identity}
 */
function readIdentity(token) {
  const payload = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
  const bytes = Uint8Array.from(atob(payload), (letter) => letter.charCodeAt(0));
  const { username, admin } = JSON.parse(new TextDecoder().decode(bytes));
  return { username: String(username), admin: admin === true };
}

export const session = new Session();
