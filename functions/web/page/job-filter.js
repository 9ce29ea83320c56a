/** `<sl-job-filter>`: search by name, by state and, for admins, by owner. It dispatches "change-filter". */

/** @import { Job } from "../types" */

import { element } from "./dom.js";
import { session } from "./session.js";

const SEARCH_MILLISECONDS = 250;
const STATES = [
  ["", "All states"], ["importing", "Importing"], ["queued", "Waiting"], ["converting", "Converting"], ["ready", "Ready"], ["failed", "Failed"],
  ["cancelled", "Cancelled"], ["expired", "Expired"],
];

export class JobFilter extends HTMLElement {
  #search = element("input", { type: "search", placeholder: "Search by name", "aria-label": "Search by name", maxlength: 200 });
  #state = element("select", { "aria-label": "State" });
  #owner = element("select", { "aria-label": "Owner" });
  #timer = 0;

  constructor() {
    super();
    this.#state.append(...STATES.map(([value, label]) => element("option", { value }, label)));
    this.#search.addEventListener("input", () => this.#changeSoon());
    this.#state.addEventListener("change", () => this.#change());
    this.#owner.addEventListener("change", () => this.#change());
  }

  connectedCallback() {
    this.setAttribute("role", "search");
    if (!this.firstChild) this.append(this.#search, this.#state, this.#owner);
  }

  /** Show nothing but the signed-in user's jobs again. */
  reset() {
    const { username = "", admin = false } = session.identity ?? {};
    this.#search.value = "";
    this.#state.value = "";
    this.#owner.replaceChildren(element("option", { value: username }, "My files"), element("option", { value: "" }, "All files"));
    this.#owner.hidden = !admin;
  }

  /**
   * Show the jobs of another user.
   * @param {string} username
   */
  showOwner(username) {
    const hasOption = [...this.#owner.options].some(({ value }) => value === username);
    if (!hasOption) this.#owner.append(element("option", { value: username }, username));
    this.#owner.value = username;
    this.#change();
  }

  /** The query of GET /jobs. */
  get query() {
    const owner = session.identity?.admin ? this.#owner.value : "";
    return { q: this.#search.value.trim(), state: this.#state.value, user: owner };
  }

  /** Whether search or state leave jobs out. */
  get isActive() {
    return this.query.q !== "" || this.query.state !== "";
  }

  /** What the list shows. */
  get title() {
    const { user } = this.query;
    if (!session.identity?.admin || user === session.identity.username) return "Your files";
    return user ? `Files of ${user}` : "All files";
  }

  /** @param {Job} job */
  accepts(job) {
    const { q, state, user } = this.query;
    return job.file_name.toLowerCase().includes(q.toLowerCase()) && (!state || job.state === state) &&
      (!user || job.username === user);
  }

  #changeSoon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#change(), SEARCH_MILLISECONDS);
  }

  #change() {
    clearTimeout(this.#timer);
    this.dispatchEvent(new Event("change-filter", { bubbles: true }));
  }
}

customElements.define("sl-job-filter", JobFilter);
