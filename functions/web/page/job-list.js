/** The user's jobs. */

class JobList extends HTMLElement {}

customElements.define("sl-job-list", JobList);
