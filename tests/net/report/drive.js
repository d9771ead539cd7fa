// Opens a page in headless Chromium over the DevTools protocol, evaluates each argument in it, and
// prints {"results": […], "messages": […]}: what they came to, and all that the console was told.
//
//   node drive.js URL ARGUMENT…
//
// Arguments that are no expressions:
//   media:NAME=VALUE    emulates a media feature, such as forced-colors=active
//   size:WIDTHxHEIGHT   emulates a screen
//   no-script           runs no script of the page; expressions are evaluated all the same
//   file:PATH           evaluates a file; its value is no result
//   picture:PATH        writes a PNG of the whole page
"use strict";
const { spawn } = require("child_process");
const fs = require("fs");
const os = require("os");
const path = require("path");

const [url, ...given] = process.argv.slice(2);
const told = (kind) => given.filter((one) => one.startsWith(kind)).map((one) => one.slice(kind.length));
const steps = given.filter((one) => !/^(media:|size:|no-script$)/.test(one));
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
  const features = told("media:").map((one) => one.split("=")).map(([name, value]) => ({ name, value }));
  await call("Emulation.setEmulatedMedia", { features }, sessionId);
  for (const [width, height] of told("size:").map((one) => one.split("x").map(Number))) {
    const screen = { width, height, deviceScaleFactor: 1, mobile: false };
    await call("Emulation.setDeviceMetricsOverride", screen, sessionId);
  }
  if (given.includes("no-script")) {
    await call("Emulation.setScriptExecutionDisabled", { value: true }, sessionId);
  }
  await call("Page.navigate", { url }, sessionId);
  await load;
  const results = [];
  for (const step of steps) {
    if (step.startsWith("picture:")) {
      const picture = await call("Page.captureScreenshot", { captureBeyondViewport: true }, sessionId);
      fs.writeFileSync(step.slice("picture:".length), Buffer.from(picture.data, "base64"));
      continue;
    }
    const isFile = step.startsWith("file:");
    const expression = isFile ? fs.readFileSync(step.slice("file:".length), "utf8") : step;
    const evaluated = { expression, awaitPromise: true, returnByValue: !isFile };
    const { result, exceptionDetails } = await call("Runtime.evaluate", evaluated, sessionId);
    if (exceptionDetails) results.push({ failed: exceptionDetails });
    else if (!isFile) results.push(result.value);
  }
  console.log(JSON.stringify({ results, messages, requests }));
}

main().catch((error) => { console.error(error); process.exitCode = 1; }).finally(() => {
  // Its own processes may write for a moment longer than it lives.
  const remove = { recursive: true, force: true, maxRetries: 50, retryDelay: 100 };
  browser.on("exit", () => fs.rmSync(profile, remove));
  call("Browser.close").catch(() => browser.kill("SIGKILL"));
});
