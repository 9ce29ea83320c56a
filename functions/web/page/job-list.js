/** `<sl-job-list>`: the user's jobs, newest first, kept up to date while the page is open. */

/** @import { Job, JobPage } from "../types" */

import { announce, refuse, refuseError } from "./announcer.js";
import { ApiError, request } from "./api.js";
import { ConnectionNote } from "./connection.js";
import { element, whileBusy } from "./dom.js";
import { count } from "./format.js";
import { actions } from "./job-actions.js";
import { JobFilter } from "./job-filter.js";
import { JobRow } from "./job-row.js";
import { isEnded } from "./job-text.js";
import { LiveJobs } from "./live.js";
import { reportProgress } from "./progress-news.js";
import { Selection } from "./selection.js";
import { session } from "./session.js";

const PAGE_SIZE = 20;
const FEW = 4; // jobs that need no search

export class JobList extends HTMLElement {
  /** @type {Map<string, JobRow>} */
  #rows = new Map();
  /** Jobs that are shown whatever the filter is, because a link named them. @type {Set<string>} */
  #pinned = new Set();
  /** The query of the next page. @type {Record<string, string> | null} */
  #next = null;
  #isLoaded = false;
  /** Resolved as soon as the list is there. @type {PromiseWithResolvers<void>} */
  #loading = Promise.withResolvers();
  #filter = new JobFilter();
  #selection = new Selection(this);
  #title = element("h2", { id: "files-title", tabindex: -1 }, "Your files");
  #head = element("div", { class: "list-head" });
  #connection = new ConnectionNote();
  #items = element("ul", { class: "jobs", role: "list" });
  #empty = element("p", { class: "empty", tabindex: -1, hidden: true });
  #more = element("button", { type: "button", class: "more", hidden: true }, "Show more");
  #live = new LiveJobs({
    load: (signal) => this.#load(signal),
    apply: (change) => this.#apply(change),
    report: (isConnected) => this.#connection.show(isConnected),
  });

  connectedCallback() {
    if (this.firstChild) return;
    this.setAttribute("role", "region");
    this.setAttribute("aria-labelledby", this.#title.id);
    this.#head.append(this.#title, this.#selection.toggle);
    this.append(this.#head, this.#filter, this.#connection.node, this.#items, this.#empty, this.#more, this.#selection.bar);
    this.#items.addEventListener("click", (event) => this.#click(event));
    this.#more.addEventListener("click", () => whileBusy(this.#more, () => this.#showMore()));
    this.addEventListener("change-filter", () => this.#live.restart());
    document.addEventListener("job-uploaded", ({ detail }) => this.put(detail));
    document.addEventListener("show-jobs-of", ({ detail }) => this.#filter.showOwner(detail));
  }

  /** Show the jobs of the user who has signed in. */
  start() {
    this.stop();
    this.#live.restart();
  }

  /** Forget all jobs, and what was searched for. */
  stop() {
    this.#filter.reset();
    this.#live.stop();
    this.#selection.close();
    this.#rows.clear();
    this.#pinned.clear();
    this.#items.replaceChildren();
    this.#next = null;
    this.#isLoaded = false;
    this.#loading = Promise.withResolvers();
    this.#draw();
  }

  /** Return the rows in the order of the list. */
  rows() {
    return [...this.#items.children].map((node) => this.#rowOf(node)).filter((row) => row !== undefined);
  }

  /**
   * Show a job: update its row, or insert one. Answers may arrive in another order than they were made in.
   * @param {Job} job
   */
  put(job) {
    const row = this.#rows.get(job.job_id);
    if (row && Date.parse(job.updated_at) < Date.parse(row.job.updated_at)) return;
    if (row) {
      reportProgress(row.job, job);
      row.update(job);
    } else {
      this.#insert(new JobRow(job));
    }
    this.#draw();
  }

  /**
   * Remove a row. If it has the focus, the focus goes to the row that takes its place.
   * @param {string} id
   */
  removeJob(id) {
    const row = this.#rows.get(id);
    if (!row) return;
    const hadFocus = row.node.contains(document.activeElement);
    const neighbour = row.node.nextElementSibling ?? row.node.previousElementSibling;
    this.#rows.delete(id);
    row.node.remove();
    this.#draw();
    if (hadFocus) (neighbour instanceof HTMLElement ? neighbour : this.#empty).focus();
  }

  /**
   * Show the job that a link names, even if it is not on this page of the list.
   * @param {string} id
   */
  async open(id) {
    this.#pinned.add(id);
    await this.#loading.promise;
    try {
      if (!this.#rows.has(id)) this.put(await request("GET", `/jobs/${encodeURIComponent(id)}`));
      this.#highlight(id);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 404) return refuseError(error);
      refuse("This link names a file that you do not have. It was deleted, or it belongs to another account.");
    }
  }

  /** @param {string} id */
  #highlight(id) {
    for (const row of this.#rows.values()) row.node.classList.toggle("highlighted", row.job.job_id === id);
    const node = this.#rows.get(id)?.node;
    node?.scrollIntoView({ block: "center" });
    node?.focus({ preventScroll: true });
  }

  /** @param {AbortSignal} signal */
  async #load(signal) {
    this.#items.setAttribute("aria-busy", "true");
    /** @type {JobPage} */
    const page = await request("GET", "/jobs", { query: { limit: PAGE_SIZE, ...this.#filter.query }, signal });
    if (signal.aborted) return "";
    const listed = new Set(page.jobs.map(({ job_id: id }) => id));
    for (const id of this.#rows.keys()) if (!listed.has(id) && !this.#pinned.has(id)) this.removeJob(id);
    this.#showPage(page);
    if (this.#isLoaded && this.#filter.isActive) announce(`${count(page.jobs.length, "file")} found${this.#next ? ", and more" : ""}.`);
    this.#isLoaded = true;
    this.#loading.resolve();
    this.#items.removeAttribute("aria-busy");
    this.#draw();
    return page.cursor;
  }

  /** @param {JobPage} page */
  #showPage({ jobs, links }) {
    this.#next = links.next ? Object.fromEntries(new URL(links.next).searchParams) : null;
    for (const job of jobs) this.put(job);
  }

  async #showMore() {
    if (!this.#next) return;
    const known = new Set(this.#rows.keys());
    try {
      this.#showPage(await request("GET", "/jobs", { query: this.#next }));
      this.rows().find(({ job }) => !known.has(job.job_id))?.node.focus();
      this.#draw();
    } catch (error) {
      refuseError(error);
    }
  }

  /** @param {JobPage} change */
  #apply({ jobs, deleted = [] }) {
    if (deleted.length || jobs.some(isEnded)) document.dispatchEvent(new Event("place-free"));
    for (const id of deleted) this.removeJob(id);
    for (const job of jobs) {
      const row = this.#rows.get(job.job_id);
      const isWanted = this.#filter.accepts(job) || this.#pinned.has(job.job_id);
      if (row && !isWanted && !row.isPlaying) this.removeJob(job.job_id);
      else if (row || (isWanted && this.#isOnPage(job))) this.put(job);
    }
  }

  /**
   * Return whether a job belongs above the end of what is shown.
   * @param {Job} job
   */
  #isOnPage(job) {
    const last = this.rows().findLast((row) => !this.#pinned.has(row.job.job_id));
    return !this.#next || !last || isNewer(job, last.job);
  }

  /** @param {JobRow} row */
  #insert(row) {
    this.#rows.set(row.job.job_id, row);
    const next = this.rows().find(({ job }) => isNewer(row.job, job));
    this.#items.insertBefore(row.node, next?.node ?? null);
  }

  /** @param {Event} event */
  async #click({ target }) {
    const button = target instanceof Element ? target.closest("button[data-action]") : null;
    const row = button ? this.#rowOf(button) : undefined;
    const act = actions[(button instanceof HTMLButtonElement && button.dataset.action) || ""];
    if (!(button instanceof HTMLButtonElement) || !row || !act) return;
    await whileBusy(button, () => act(row, this).catch(refuseError));
  }

  /** @param {Element} node */
  #rowOf(node) {
    return this.#rows.get(node.closest("li.job")?.id.replace("job-", "") ?? "");
  }

  #draw() {
    const isEmpty = this.#rows.size === 0;
    const hasFilter = this.#filter.isActive || this.#next !== null || this.#rows.size > FEW || session.identity?.admin === true;
    this.#title.textContent = this.#filter.title;
    this.#head.hidden = isEmpty && !hasFilter;
    this.#filter.hidden = !this.#isLoaded || !hasFilter;
    this.#items.hidden = isEmpty;
    this.#selection.toggle.hidden = this.#rows.size < 2;
    this.#more.hidden = this.#next === null;
    this.#empty.hidden = !isEmpty;
    this.#empty.classList.toggle("loading", !this.#isLoaded);
    this.#empty.textContent = this.#emptyText();
    this.#selection.update();
  }

  #emptyText() {
    if (!this.#isLoaded) return "Loading…";
    if (this.#filter.isActive) return "No file matches. Try another word or state.";
    return "Nothing here yet. The audio of your first video will appear here.";
  }
}

/**
 * @param {Job} job
 * @param {Job} other
 */
function isNewer(job, other) {
  const difference = Date.parse(job.created_at) - Date.parse(other.created_at);
  return difference > 0 || (difference === 0 && job.job_id > other.job_id);
}

customElements.define("sl-job-list", JobList);
