// Opens a page in headless Chromium over the DevTools protocol, evaluates each argument in it, and
// prints {"results": […], "messages": […]}: what they came to, and all that the console was told.
//
//   node drive.js URL EXPRESSION…
"use strict";
const { spawn } = require("child_process");
const fs = require("fs");
const os = require("os");
const path = require("path");

const [url, ...expressions] = process.argv.slice(2);
const profile = fs.mkdtempSync(path.join(os.tmpdir(), "chromium-"));
const browser = spawn("chromium", [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
  "--remote-debugging-pipe", `--user-data-dir=${profile}`, "about:blank",
], { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
const [, , , input, output] = browser.stdio;

const waiting = new Map();
const messages = [];
let loaded;
const load = new Promise((resolve) => { loaded = resolve; });
let rest = "";
output.on("data", (bytes) => {
  const parts = (rest + bytes).split("\0");
  rest = parts.pop();
  for (const message of parts.map((part) => JSON.parse(part))) {
    waiting.get(message.id)?.(message);
    const { method, params } = message;
    if (method === "Page.loadEventFired") loaded();
    if (method === "Log.entryAdded") messages.push(params.entry.text);
    if (method === "Runtime.consoleAPICalled") messages.push(JSON.stringify(params.args));
    if (method === "Runtime.exceptionThrown") messages.push(JSON.stringify(params.exceptionDetails));
    if (method === "Page.javascriptDialogOpening") {
      messages.push(`a dialogue: ${params.message}`);
      call("Page.handleJavaScriptDialog", { accept: true }, message.sessionId);
    }
    if (method === "Network.requestWillBeSent" && !params.request.url.startsWith("data:")) {
      requests.push(params.request.url);
    }
  }
});
const requests = [];

let last = 0;
function call(method, params = {}, sessionId) {
  last += 1;
  const id = last;
  input.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
  return new Promise((resolve, reject) => {
    waiting.set(id, (message) => (message.error ? reject(message.error) : resolve(message.result)));
  });
}

async function main() {
  const { targetInfos } = await call("Target.getTargets");
  const { targetId } = targetInfos.find((target) => target.type === "page");
  const { sessionId } = await call("Target.attachToTarget", { targetId, flatten: true });
  for (const domain of ["Page", "Runtime", "Log", "Network"]) {
    await call(`${domain}.enable`, {}, sessionId);
  }
  await call("Page.navigate", { url }, sessionId);
  await load;
  const results = [];
  for (const expression of expressions) {
    const given = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await call("Runtime.evaluate", given, sessionId);
    results.push(exceptionDetails ? { failed: exceptionDetails } : result.value);
  }
  console.log(JSON.stringify({ results, messages, requests }));
}

main().catch((error) => { console.error(error); process.exitCode = 1; }).finally(() => {
  // Its own processes may write for a moment longer than it lives.
  const remove = { recursive: true, force: true, maxRetries: 50, retryDelay: 100 };
  browser.on("exit", () => fs.rmSync(profile, remove));
  call("Browser.close").catch(() => browser.kill("SIGKILL"));
});
