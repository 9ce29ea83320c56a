/** Files that are dropped or pasted anywhere on the page. */

/**
 * @typedef {{files: File[], folders: File[]}} Dropped
 * A folder is given as the file that stands for it, which has its name.
 */

/**
 * Return the files of a drop; browsers give a folder as a file without a type that cannot be read.
 * @param {DataTransfer} data
 * @returns {Dropped}
 */
function readDrop(data) {
  /** @type {Dropped} */
  const dropped = { files: [], folders: [] };
  for (const item of data.items) {
    const file = item.kind === "file" ? item.getAsFile() : null;
    if (file) dropped[item.webkitGetAsEntry()?.isDirectory ? "folders" : "files"].push(file);
  }
  return dropped;
}

/** @param {DataTransfer | null} data */
const hasFiles = (data) => data?.types.includes("Files") ?? false;

/**
 * Call `take` with the files that are dropped or pasted anywhere on the page, and `showDrop` when files are dragged
 * into the page or away.
 * @param {{take: (dropped: Dropped) => void, showDrop: (isOver: boolean) => void}} actions
 */
export function receiveFiles({ take, showDrop }) {
  addEventListener("dragover", (event) => {
    if (!hasFiles(event.dataTransfer)) return;
    event.preventDefault();
    if (event.dataTransfer) event.dataTransfer.dropEffect = "copy";
    showDrop(true);
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) showDrop(false); // the pointer has left the window
  });
  addEventListener("drop", (event) => {
    showDrop(false);
    if (!event.dataTransfer || !hasFiles(event.dataTransfer)) return;
    event.preventDefault();
    take(readDrop(event.dataTransfer));
  });
  addEventListener("paste", (event) => {
    if (!event.clipboardData?.files.length) return;
    event.preventDefault();
    take(readDrop(event.clipboardData));
  });
}
