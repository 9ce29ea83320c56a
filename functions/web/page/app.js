/** The page: which view is shown, and what changes when somebody signs in or out. */

import "./job-list.js";
import { refuseError } from "./announcer.js";
import { byId } from "./dom.js";
import { session } from "./session.js";
import { SignIn } from "./sign-in.js";

for (const module of ["./upload.js", "./admin.js", "./waveform.js"]) import(module).catch(() => {});

const views = ["starting", "welcome", "workspace", "users"];
const dialog = /** @type {HTMLDialogElement} */ (byId("sign-in-again"));

/** @param {string} name */
function show(name) {
  for (const view of views) byId(view).hidden = view !== name;
  byId("account").hidden = !session.identity;
}

function showSignedIn() {
  const { username = "", admin = false } = session.identity ?? {};
  byId("who").textContent = username;
  byId("users-entry").hidden = !admin;
  if (dialog.open) dialog.close();
  show("workspace");
}

function showSignedOut() {
  if (dialog.open) dialog.close();
  show("welcome");
  signInForm(byId("welcome"))?.focusFirstField();
}

function askToSignInAgain() {
  const form = signInForm(dialog);
  form?.suggest(session.identity?.username ?? "");
  dialog.showModal();
  form?.focusFirstField();
}

/** @param {HTMLElement} parent */
function signInForm(parent) {
  const form = parent.querySelector("sl-sign-in");
  return form instanceof SignIn ? form : null;
}

async function signOut() {
  try {
    await session.signOut();
  } catch (error) {
    refuseError(error);
  }
}

session.addEventListener("signed-in", showSignedIn);
session.addEventListener("signed-out", showSignedOut);
session.addEventListener("expired", askToSignInAgain);
byId("sign-out").addEventListener("click", signOut);

async function start() {
  try {
    await session.start();
  } catch (error) {
    byId("starting").textContent = "The server cannot be reached. This page tries again every few seconds.";
    show("starting");
    setTimeout(start, 3000);
  }
}

start();
