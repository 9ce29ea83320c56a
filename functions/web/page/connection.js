/** The sentence above the list while the server cannot be reached. */

import { announce } from "./announcer.js";
import { element } from "./dom.js";

const OFFLINE = "You are offline. This list is updated as soon as the connection is back.";
const UNREACHABLE = "The server cannot be reached. This list is updated as soon as it answers.";

export class ConnectionNote {
  node = element("p", { class: "connection", hidden: true });

  constructor() {
    window.addEventListener("offline", () => this.show(false));
  }

  /** @param {boolean} isConnected */
  show(isConnected) {
    if (this.node.hidden === isConnected) return;
    this.node.hidden = isConnected;
    this.node.textContent = isConnected ? "" : navigator.onLine ? UNREACHABLE : OFFLINE;
    announce(this.node.textContent || "The connection is back.");
  }
}
