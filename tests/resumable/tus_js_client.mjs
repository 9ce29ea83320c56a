// Uploads a file with tus-js-client, and prints the job: node tus_js_client.mjs PACKAGE ENDPOINT TOKEN FILE MODE

import { createReadStream, statSync } from "node:fs";
import { createRequire } from "node:module";
import { basename } from "node:path";

const [, , folder, endpoint, token, path, mode] = process.argv;
const tus = createRequire(import.meta.url)(folder);
const CHUNK = 3 * 2 ** 20;
const storage = new tus.FileUrlStorage(`${path}.json`);
let job = null;

function newUpload(onProgress, done, failed) {
  return new tus.Upload(createReadStream(path), {
    endpoint,
    chunkSize: CHUNK,
    uploadSize: statSync(path).size,
    retryDelays: Array(20).fill(100),
    metadata: { filename: basename(path), filetype: "video/mp4", bitrate: "96" },
    urlStorage: storage,
    storeFingerprintForResuming: true,
    removeFingerprintOnSuccess: true,
    fingerprint: async () => `soundlift-${path}`,
    onBeforeRequest: (request) => request.setHeader("Authorization", `Bearer ${token}`),
    onAfterResponse: (_, response) => {
      job = response.getHeader("Soundlift-Job") ?? job;
    },
    onProgress,
    onSuccess: done,
    onError: failed,
  });
}

function send(upload) {
  return new Promise((done, failed) => upload(done, failed).start());
}

if (mode === "whole") {
  await send((done, failed) => newUpload(null, done, failed));
  console.log(JSON.stringify({ job }));
} else {
  await new Promise((stopped, failed) => {
    const upload = newUpload(null, failed, failed);
    upload.options.onChunkComplete = (_, sent) => {
      if (sent >= 2 * CHUNK) upload.abort().then(stopped);
    };
    upload.start();
  });
  const second = await new Promise((done, failed) => {
    const upload = newUpload(null, () => done(upload), failed);
    upload.findPreviousUploads().then((previous) => {
      upload.found = previous.length;
      upload.resumeFromPreviousUpload(previous[0]);
      upload.start();
    });
  });
  console.log(JSON.stringify({ job, resumed: second.found }));
}
