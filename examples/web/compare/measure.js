// Download and time to 95 % of the page's files and of TensorFlow.js, in the same browser, in turns:
// node compare/measure.js ROUNDS LIMIT, after `make web` and `npm ci` in compare/. A run is stopped after LIMIT seconds.

import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { chromium } from "playwright-core";
import { serve } from "../test/serve.js";

const ROOT = new URL("..", import.meta.url).pathname;
const SIDES = {
  "lenetc, WebAssembly": "compare/lenetc.html",
  "TensorFlow.js, webgl": "compare/tfjs.html?backend=webgl",
  "TensorFlow.js, wasm": "compare/tfjs.html?backend=wasm",
  "TensorFlow.js, cpu": "compare/tfjs.html?backend=cpu",
};
const rounds = Number(process.argv[2] ?? 3);
const limit = Number(process.argv[3] ?? 300);
const server = await serve(ROOT);
const found = Object.fromEntries(Object.keys(SIDES).map((name) => [name, []]));

for (let round = 0; round < rounds; round++) {
  for (const [name, path] of Object.entries(SIDES)) {
    if (found[name] === null) continue;
    const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
    const page = await browser.newPage();
    const files = new Set();
    let failure;
    page.on("request", (request) => files.add(request.url()));
    page.on("pageerror", (error) => (failure ??= error.message));
    page.on("console", (message) => process.env.VERBOSE && console.log(name, message.text()));
    await page.goto(server.url + path);
    const began = performance.now();
    const done = () => page.evaluate(() => Boolean(globalThis.result?.goalAfter));
    while (!failure && performance.now() - began < 1000 * limit && !(await done())) await page.waitForTimeout(200);
    if (failure) {
      console.log(`${name}: ${failure.split("\n")[0]}`);
      found[name] = null;
    } else {
      const session = await browser.newBrowserCDPSession();
      const { processInfo } = await session.send("SystemInfo.getProcessInfo");
      const { losses, times, readyAfter, goalAfter = NaN } = await page.evaluate(() => globalThis.result);
      const cpu = processInfo.reduce((sum, { cpuTime }) => sum + cpuTime, 0);
      found[name].push({ losses, steps: losses.length, step: median(times), readyAfter, goalAfter, cpu, ...sizes([...files]) });
      console.log(`${name}: ${goalAfter.toFixed(1)} s, ${cpu.toFixed(1)} s of processors, ${losses.length} steps`);
    }
    await browser.close();
  }
}
server.close();

/** Bytes as they are, and gzipped as most servers would send them. Favicons and the digits, which are the same, are left out. */
function sizes(urls) {
  const paths = urls.map((url) => new URL(url).pathname).filter((path) => !/digits.bin|favicon/.test(path));
  const contents = paths.filter((path) => !path.endsWith("/")).map((path) => readFileSync(ROOT + path));
  const total = (lengths) => lengths.reduce((sum, length) => sum + length, 0) / 1e6;
  return {
    raw: total(contents.map((content) => content.length)),
    gzipped: total(contents.map((content) => Math.min(content.length, gzipSync(content).length))),
  };
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

console.log("\n| | download, MB (gzipped) | ready after, s | 95 % after, s | processor time, s | a step, ms | steps |");
console.log("|---|---:|---:|---:|---:|---:|---:|");
const reference = found["lenetc, WebAssembly"]?.[0]?.losses;
for (const [name, runs] of Object.entries(found)) {
  if (!runs?.length) continue;
  const of = (key) => median(runs.map((run) => run[key]));
  console.log(
    `| ${name} | ${of("raw").toFixed(2)} (${of("gzipped").toFixed(2)}) | ${of("readyAfter").toFixed(1)} | ` +
      `${of("goalAfter") ? of("goalAfter").toFixed(1) : `not in ${limit}`} | ${of("cpu").toFixed(1)} | ${of("step").toFixed(1)} | ${of("steps")} |`,
  );
  if (reference) {
    const shared = Math.min(50, runs[0].losses.length);
    const apart = Math.max(...runs[0].losses.slice(0, shared).map((loss, index) => Math.abs(loss - reference[index])));
    console.error(`${name}: losses of the first ${shared} steps differ by at most ${apart.toExponential(1)}`);
  }
}
