/** The sign-in form, which the welcome view and the dialog of an expired session share. */

/** @import { Purpose } from "../types" */

import { loadOffers, requestForm } from "./account-forms.js";
import { ApiError } from "./api.js";
import { button } from "./controls.js";
import { element, whileBusy } from "./dom.js";
import { formatLengthInWords } from "./format.js";
import { session } from "./session.js";

let forms = 0;

class SignIn extends HTMLElement {
  #signUp = button("Create an account", () => this.request("sign-up"));
  #reset = button("Forgot password?", () => this.request("reset"));
  #provider = button("", () => this.#leaveForProvider(), "provider");
  #noAccount = element("p", { class: "hint no-account", hidden: true },
    "No account yet? The operator of this server creates it with ", element("code", {}, "soundlift user add"),
    " and your email address.");

  connectedCallback() {
    if (this.firstChild) return;
    forms += 1;
    this.email = element("input", {
      id: `email-${forms}`, name: "email", type: "email", autocomplete: "username", required: true, maxlength: 254,
    });
    this.password = element("input", {
      id: `password-${forms}`, name: "password", type: "password", autocomplete: "current-password", required: true,
    });
    this.refusal = element("p", { class: "error", role: "alert", id: `refusal-${forms}` });
    this.button = element("button", { class: "primary" }, "Sign in");
    this.#signUp.hidden = this.#reset.hidden = this.#provider.hidden = true;
    this.#signUp.classList.add("no-account");
    this.form = element(
      "form",
      { novalidate: true },
      element("div", { class: "field" }, element("label", { for: this.email.id }, "Email address"), this.email),
      element("div", { class: "field" }, element("label", { for: this.password.id }, "Password"), this.password),
      this.refusal,
      element("div", { class: "actions" }, this.button, this.#provider),
      element("div", { class: "actions others" }, this.#signUp, this.#reset),
      this.#noAccount,
    );
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.append(this.form);
  }

  /** Show the form with what the server offers besides, and put the focus where the user types next. */
  open() {
    if (this.form) this.replaceChildren(this.form);
    (this.email?.value ? this.password : this.email)?.focus();
    void loadOffers().then((offers) => {
      this.#signUp.hidden = !offers.sign_up;
      this.#reset.hidden = !offers.password_reset;
      this.#provider.hidden = !offers.provider;
      this.#provider.textContent = `Sign in with ${offers.provider}`;
      this.#noAccount.hidden = offers.sign_up;
    });
  }

  /**
   * Show the request for a link by email instead.
   * @param {Purpose} purpose
   */
  request(purpose) {
    const form = requestForm(purpose, this.email?.value.trim() ?? "", () => this.open());
    this.replaceChildren(form);
    form.querySelector("input")?.focus();
  }

  /**
   * Fill in the address of a session that has expired.
   * @param {string} email
   */
  suggest(email) {
    if (this.email) this.email.value = email;
  }

  async #submit() {
    const { email, password, button } = this;
    if (!email || !password || !button || button.getAttribute("aria-disabled") === "true") return;
    if (!email.value.trim()) return this.refuse("Enter your email address.", email);
    if (!password.value) return this.refuse("Enter your password.", password);
    this.refuse("");
    button.setAttribute("aria-disabled", "true");
    button.textContent = "Signing in…";
    try {
      await session.signIn(email.value.trim(), password.value);
      password.value = "";
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.refuse(this.explain(error), error.status === 401 ? password : undefined);
      if (error.status === 401) password.select();
    } finally {
      button.removeAttribute("aria-disabled");
      button.textContent = "Sign in";
    }
  }

  #leaveForProvider() {
    void whileBusy(this.#provider, async () => {
      this.refuse("");
      try {
        const { leaveForProvider } = await import("./provider-sign-in.js");
        await leaveForProvider(this.closest("dialog") !== null);
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        this.refuse(this.explain(error));
      }
    });
  }

  /**
   * Return why a sign-in was refused.
   * @param {ApiError} error
   */
  explain(error) {
    return explain(error, !this.#reset.hidden);
  }

  /**
   * Show why the sign-in, or the sign-out instead of it, was refused.
   * @param {string} text
   * @param {HTMLInputElement} [field] the field that is wrong
   */
  refuse(text, field) {
    if (this.refusal) this.refusal.textContent = text;
    for (const each of [this.email, this.password]) {
      each?.toggleAttribute("aria-describedby", false);
      each?.removeAttribute("aria-invalid");
    }
    if (!field || !this.refusal) return;
    field.setAttribute("aria-invalid", "true");
    field.setAttribute("aria-describedby", this.refusal.id);
    field.focus();
  }
}

/**
 * @param {ApiError} error
 * @param {boolean} mayReset
 */
function explain(error, mayReset) {
  const help = mayReset ? "" : " If you have forgotten the password, ask the operator of this server for a new one.";
  if (error.code === "invalid_credentials") return `The email address or the password is wrong. Check both and try again.${help}`;
  if (error.code === "too_many_attempts") {
    const time = error.retryAfter === null ? "15 minutes" : formatLengthInWords(error.retryAfter);
    return `Too many attempts to sign in have failed. Try again in ${time}.${help}`;
  }
  if (error.status === 429) {
    return `The server is busy with other sign-ins. Try again in ${error.retryAfter ?? 5} seconds.`;
  }
  return error.detail;
}

customElements.define("sl-sign-in", SignIn);

export { SignIn };
