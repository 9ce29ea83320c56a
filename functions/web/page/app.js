/** The page: which view is shown, and what changes when somebody signs in or out. */

import { choosePassword, takeLink } from "./account-forms.js";
import { refuse, refuseError } from "./announcer.js";
import { ApiError } from "./api.js";
import { byId } from "./dom.js";
import { JobList } from "./job-list.js";
import { session } from "./session.js";
import { SignIn } from "./sign-in.js";
import "./upload.js";

const VIEWS = ["starting", "welcome", "password", "workspace", "keys", "hooks", "users"];
/** Views that are loaded when somebody opens them, by the end of their address. @type {Record<string, () => Promise<unknown>>} */
const ON_DEMAND = { "#keys": () => import("./keys.js"), "#hooks": () => import("./hooks.js"), "#users": () => import("./admin.js") };
const UNLOADED = "The server cannot be reached. Check your connection, then reload the page.";
const JOB = /^#job=([\w-]{1,64})$/; // as in the links of mails
const START_SECONDS = 3;

const list = /** @type {JobList} */ (document.querySelector("sl-job-list"));
const dialog = /** @type {HTMLDialogElement} */ (byId("sign-in-again"));
/** Whose jobs are in the list. @type {string | null} */
let shownUser = null;

/** @param {string} name */
function show(name) {
  for (const view of VIEWS) byId(view).hidden = view !== name;
  byId("account").hidden = session.identity === null;
  // The control that had the focus may be gone with its view.
  if (document.activeElement && !document.activeElement.checkVisibility()) byId("main").focus({ preventScroll: true });
}

/** Show the view and the job that the address names. */
function follow() {
  if (!session.identity) return;
  const load = location.hash === "#users" && !session.identity.admin ? undefined : ON_DEMAND[location.hash];
  load?.().catch(() => refuse(UNLOADED));
  show(load ? location.hash.slice(1) : "workspace");
  for (const link of byId("pages").querySelectorAll("a")) {
    const isCurrent = link.hash === (load ? location.hash : "");
    link.ariaCurrent = isCurrent ? "page" : null;
    if (isCurrent) document.title = load ? `${link.text} · Soundlift` : "Soundlift";
  }
  const job = JOB.exec(location.hash)?.[1];
  if (job) list.open(job);
}

function showSignedIn() {
  const { username, admin } = session.identity ?? { username: "", admin: false };
  byId("who").textContent = username;
  byId("users-link").hidden = !admin;
  dialog.close();
  if (username === shownUser) return;
  shownUser = username;
  list.start();
  follow();
}

function showSignedOut() {
  if (shownUser) history.replaceState(null, "", location.pathname + location.search); // the job was of this user
  shownUser = null;
  document.title = "Soundlift";
  byId("who").textContent = "";
  list.stop();
  dialog.close();
  show("welcome");
  signInForm(byId("welcome"))?.open();
}

function askToSignInAgain() {
  const form = signInForm(dialog);
  form?.suggest(session.identity?.username ?? "");
  dialog.showModal();
  form?.open();
}

/** @param {HTMLElement} parent */
function signInForm(parent) {
  const form = parent.querySelector("sl-sign-in");
  return form instanceof SignIn ? form : null;
}

function signOut() {
  session.signOut().catch((error) => {
    // Behind a modal dialog, refusals can be neither read nor dismissed.
    if (dialog.open && error instanceof ApiError) signInForm(dialog)?.refuse(error.detail);
    else refuseError(error);
  });
}

/**
 * Let the user choose a password with the link of an email; then continue as they are signed in.
 * @param {NonNullable<ReturnType<typeof takeLink>>} link
 */
async function openLink(link) {
  show("password");
  const wanted = await choosePassword(byId("password"), link);
  if (!session.identity) await start();
  follow();
  if (wanted && !session.identity) signInForm(byId("welcome"))?.request(wanted);
}

/** Sign in with what the identity provider has answered; otherwise continue as the user is signed in. */
async function finishProviderSignIn() {
  /** @type {unknown} */
  let refusal = null;
  try {
    const { returnFromProvider } = await import("./provider-sign-in.js");
    await returnFromProvider();
  } catch (error) {
    refusal = error;
  }
  if (!session.identity) await start();
  const form = session.identity ? null : signInForm(byId("welcome"));
  if (form && refusal instanceof ApiError) form.refuse(form.explain(refusal));
  else if (refusal) refuseError(refusal);
}

function followAddress() {
  const link = takeLink();
  if (link) void openLink(link);
  else follow();
}

async function start() {
  try {
    await session.start();
  } catch {
    byId("starting").textContent = "The server cannot be reached. This page tries again every few seconds.";
    setTimeout(start, START_SECONDS * 1000);
  }
}

session.addEventListener("signed-in", showSignedIn);
session.addEventListener("signed-out", showSignedOut);
session.addEventListener("expired", askToSignInAgain);
window.addEventListener("hashchange", followAddress);
dialog.addEventListener("cancel", (event) => event.preventDefault());
document.addEventListener("show-jobs-of", () => {
  location.hash = "";
});
for (const id of ["sign-out", "leave"]) byId(id).addEventListener("click", signOut);
const link = takeLink();
if (link) void openLink(link);
else if (/[?&](state|error)=/.test(location.search)) void finishProviderSignIn();
else void start();
