/** Sign-up and password reset: the request for a link by email, and the choice of a password with one. */

/** @import { Offers, Purpose } from "../types" */

import { announce, refuseError } from "./announcer.js";
import { button, labelled } from "./controls.js";
import { element, whileBusy } from "./dom.js";
import { ApiError, send } from "./http.js";
import { session } from "./session.js";

const LINK = /^#(sign-up|reset)=([\w.-]{1,100})$/; // as in the emails
const MIN_LENGTH = 8;
const TEXTS = {
  "sign-up": {
    title: "Create an account",
    lead: "You get an email with a link, and choose your password there.",
    sent: "An email is on its way to",
    choose: "Create your account",
    save: "Create account",
  },
  reset: {
    title: "Forgot your password?",
    lead: "You get an email with a link, and choose a new password there.",
    sent: "If there is an account with this address, an email is on its way to",
    choose: "Choose a new password",
    save: "Save password",
  },
};

/** @type {Promise<Offers> | null} */
let offers = null;

/**
 * Return what the server offers; neither, if it does not answer.
 * @returns {Promise<Offers>}
 */
export async function loadOffers() {
  try {
    return await (offers ??= send("GET", "/login/offers"));
  } catch {
    offers = null;
    return { sign_up: false, password_reset: false, provider: null };
  }
}

/**
 * Return a form that has a link sent.
 * @param {Purpose} purpose
 * @param {string} address
 * @param {() => void} leave
 */
export function requestForm(purpose, address, leave) {
  const { title, lead, sent } = TEXTS[purpose];
  const email = labelled("Email address", emailInput(address));
  const submit = element("button", { class: "primary" }, "Send the link");
  const back = button("Back to sign in", leave);
  const form = element("form", { novalidate: true }, element("h2", {}, title), element("p", { class: "muted" }, lead),
    email.field, element("div", { class: "actions" }, submit, back));
  onSubmit(form, submit, email, async () => {
    const entered = email.control.value.trim();
    if (!entered) return "Enter your email address.";
    await send("POST", `/login/${purpose}`, { json: { email: entered } });
    const text = `${sent} ${entered}. It can take a minute; look among the spam too.`;
    form.replaceChildren(element("h2", {}, "Check your email"), element("p", {}, text),
      element("div", { class: "actions" }, back));
    back.focus();
    announce(`Check your email. ${text}`);
    return "";
  });
  return form;
}

/** Return the link that the address names, and remove it from the address, so that nobody finds it in the history. */
export function takeLink() {
  const found = LINK.exec(location.hash);
  if (!found) return null;
  history.replaceState(null, "", location.pathname + location.search);
  return { purpose: /** @type {Purpose} */ (found[1]), token: found[2] ?? "" };
}

/**
 * Let the user choose a password in a view; returns when they are signed in, or the purpose of the link that they ask
 * for in place of one that does not work.
 * @param {HTMLElement} view
 * @param {{ purpose: Purpose, token: string }} link
 * @returns {Promise<Purpose | null>}
 */
export function choosePassword(view, { purpose, token }) {
  return new Promise((resolve) => {
    const open = async () => {
      view.replaceChildren(element("p", { class: "muted", role: "status" }, "Checking the link…"));
      try {
        const { email } = await send("POST", "/login/link", { json: { token } });
        const form = passwordForm(purpose, token, email, () => resolve(null), refuse);
        view.replaceChildren(element("h1", {}, TEXTS[purpose].choose), form);
        /** @type {HTMLElement | null} */ (form.querySelector("input:not([readonly])"))?.focus();
      } catch (error) {
        refuse(error);
      }
    };
    const refuse = (/** @type {unknown} */ error) => {
      if (!(error instanceof ApiError)) throw error;
      const next = error.isTemporary
        ? button("Try again", open, "primary")
        : button("Ask for a new link", () => resolve(purpose), "primary");
      view.replaceChildren(element("h1", {}, error.isTemporary ? "That did not work" : "This link no longer works"),
        element("p", { role: "alert" }, error.detail),
        element("div", { class: "actions" }, next, button("Sign in", () => resolve(null))));
      next.focus();
    };
    void open();
  });
}

/**
 * @param {Purpose} purpose
 * @param {string} token
 * @param {string} address
 * @param {() => void} done
 * @param {(error: ApiError) => void} refuse what to do if the link has stopped working
 */
function passwordForm(purpose, token, address, done, refuse) {
  const email = labelled("Email address", emailInput(address));
  email.control.readOnly = true; // it is there for password managers
  const password = labelled(`Password (at least ${MIN_LENGTH} characters)`,
    element("input", { name: "password", type: "password", autocomplete: "new-password", required: true }));
  const submit = element("button", { class: "primary" }, TEXTS[purpose].save);
  const form = element("form", { novalidate: true, class: "card" }, email.field, password.field, submit);
  onSubmit(form, submit, password, async () => {
    const chosen = password.control.value;
    if ([...chosen].length < MIN_LENGTH) return `Choose at least ${MIN_LENGTH} characters.`;
    try {
      await send("POST", "/login/password", { json: { token, password: chosen } });
    } catch (error) {
      if (error instanceof ApiError && error.status === 410) return refuse(error);
      throw error;
    }
    await session.signIn(address, chosen).catch(refuseError);
    return done();
  });
  return form;
}

/** @param {string} value */
function emailInput(value) {
  return element("input", { name: "email", type: "email", autocomplete: "username", required: true, maxlength: 254, value });
}

/**
 * Submit a form by a function that returns what is wrong with a field, or throws ApiError.
 * @param {HTMLFormElement} form
 * @param {HTMLElement} submit
 * @param {import("./controls.js").Field<HTMLInputElement>} field
 * @param {() => Promise<string | void>} work
 */
function onSubmit(form, submit, field, work) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void whileBusy(submit, async () => {
      field.showProblem("");
      const problem = await work().catch((error) => {
        if (!(error instanceof ApiError)) throw error;
        return error.detail;
      });
      if (!problem) return;
      field.showProblem(problem);
      field.control.focus();
    });
  });
}
