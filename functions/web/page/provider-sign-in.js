/**
 * Sign-in with the identity provider, by authorization code with PKCE (RFC 7636): the provider gives this page a code,
 * which the server redeems with the verifier that only this tab has.
 */

/** @import { Provider } from "../types" */

import { ApiError, send } from "./http.js";
import { session } from "./session.js";

const KEPT = "soundlift sign-in with provider";

/** @typedef {{ state: string, nonce: string, verifier: string, hash: string, closes: boolean }} Kept */

/**
 * Leave this page for the provider; or, from the dialog of an expired session, open the provider in another tab, so that
 * nothing is lost here. Throws ApiError.
 * @param {boolean} inNewTab
 */
export async function leaveForProvider(inNewTab) {
  if (!crypto.subtle) throw problem("Browsers permit this sign-in on https:// pages only. Ask the operator of this server.");
  /** @type {Kept} */
  const kept = { state: random(), nonce: random(), verifier: random(), hash: location.hash, closes: inNewTab };
  keep(kept);
  const tab = inNewTab ? window.open("", "_blank") : window; // during the click, or it would be blocked; copies the storage
  if (!tab) throw problem("Your browser has blocked the new tab. Permit it for this page, then try again.");
  try {
    /** @type {Provider} */
    const provider = await send("GET", "/login/provider");
    const page = new URL(provider.redirect_uri);
    if (page.origin !== location.origin) throw problem(`Open this page at ${page.href} to sign in like this.`);
    const { state, nonce, verifier } = kept;
    const url = new URL(provider.authorization_endpoint);
    const challenge = base64url(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier)));
    const parameters = {
      response_type: "code", client_id: provider.client_id, redirect_uri: provider.redirect_uri, scope: provider.scope,
      state, nonce, code_challenge: challenge, code_challenge_method: "S256",
    };
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    if (inNewTab) sessionStorage.removeItem(KEPT); // the other tab has it
    tab.location.assign(url);
  } catch (error) {
    if (inNewTab) tab.close();
    throw error;
  }
}

/** Sign in with what the provider has added to the address, and remove it from there; throws ApiError. */
export async function returnFromProvider() {
  const answer = new URLSearchParams(location.search);
  const kept = take();
  history.replaceState(null, "", location.pathname + (kept?.hash ?? ""));
  const [code, error] = [answer.get("code"), answer.get("error")];
  if (kept && error) throw problem(`The provider did not sign you in (${error.slice(0, 40)}). Sign in again.`);
  if (!kept || !code || answer.get("state") !== kept.state) {
    throw problem("This sign-in was not begun in this tab. Sign in again.");
  }
  await session.signInWithProvider({ code, verifier: kept.verifier, nonce: kept.nonce });
  if (kept.closes) window.close(); // the other tab continues; a browser that does not permit this shows the page here
}

/** @param {Kept} kept */
function keep(kept) {
  sessionStorage.setItem(KEPT, JSON.stringify(kept));
}

/**
 * Return what was kept, once.
 * @returns {Kept | null}
 */
function take() {
  const text = sessionStorage.getItem(KEPT);
  sessionStorage.removeItem(KEPT);
  return text ? JSON.parse(text) : null;
}

/** @param {string} detail */
function problem(detail) {
  return new ApiError({ status: 0, code: "provider", detail });
}

function random() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)).buffer);
}

/** @param {ArrayBuffer} bytes */
function base64url(bytes) {
  return btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
