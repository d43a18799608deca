// The page in a headless Chromium: node --test test/page.test.js, after `npm ci` and build.py.
//
// CHROMIUM: the browser's path, else the one on PATH. OUT: a folder for what the page saves.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { readSafetensors } from "../src/safetensors.js";
import { serve } from "./serve.js";

const PATIENCE = 240_000; // milliseconds: machines that test are busy
const PHONE = { width: 390, height: 844 };
const folder = process.env.OUT ?? mkdtempSync(join(tmpdir(), "lenetc-page-"));
let server, browser, context, page;
const requested = [];
const complaints = [];

before(async () => {
  server = await serve(new URL("../dist", import.meta.url).pathname);
  const path = process.env.CHROMIUM ?? execFileSync("sh", ["-c", "command -v chromium chromium-browser google-chrome | head -1"]);
  browser = await chromium.launch({ executablePath: String(path).trim(), args: ["--no-sandbox"] });
  context = await browser.newContext({ viewport: { width: 1280, height: 860 } });
  context.on("request", (request) => requested.push(request.url()));
  page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
});

after(async () => {
  await browser?.close();
  server?.close();
});

const text = (id) => page.locator(`#${id}`).textContent();
const number = async (id) => Number((await text(id)).replace(/[ %,]/g, ""));
const status = (text) => page.waitForFunction((text) => document.querySelector("#status").textContent.includes(text), text);

/** Wait until the accuracy is that of this step. */
const evaluated = (step) =>
  page.waitForFunction((step) => Number(document.querySelector("#accuracy").dataset.step) === step, step);

/** Wait until as many held-out digits are recognized, in percent. */
const recognizes = (share) =>
  page.waitForFunction((share) => parseFloat(document.querySelector("#accuracy").textContent) >= share, share);

async function draw(points) {
  const box = await page.locator("#pad").boundingBox();
  const place = ([x, y]) => [box.x + x * box.width, box.y + y * box.height];
  await page.mouse.move(...place(points[0]));
  await page.mouse.down();
  for (const point of points.slice(1)) await page.mouse.move(...place(point), { steps: 8 });
  await page.mouse.up();
}

async function saved(button) {
  const [download] = await Promise.all([page.waitForEvent("download"), page.locator(`#${button}`).click()]);
  const file = join(folder, download.suggestedFilename());
  await download.saveAs(file);
  return file;
}

test("it recognizes 95 % of the held-out digits, within a minute where nothing else runs", async (context) => {
  const began = performance.now();
  await page.goto(server.url);
  await recognizes(95);
  const seconds = (performance.now() - began) / 1000;
  context.diagnostic(`95 % after ${seconds.toFixed(1)} s, in step ${await text("step")}`);
  assert.ok((await number("step")) < 800);
});

test("a digit that is drawn is recognized while it learns", async () => {
  const shapes = { 7: [[0.3, 0.25], [0.7, 0.25], [0.45, 0.8]], 1: [[0.5, 0.2], [0.5, 0.8]] };
  for (const [digit, points] of Object.entries(shapes)) {
    await draw(points);
    await page.waitForFunction((digit) => document.querySelector("#answer strong")?.textContent === digit, digit);
    if (digit !== "1") await page.locator("#clear").click();
  }
  const before = await number("step");
  await page.waitForFunction((before) => Number(document.querySelector("#step").textContent.replace(",", "")) > before, before);
});

test("a digit of the grid can be put on the pad, by keyboard too", async () => {
  const cell = await page.locator("#grid button").nth(3).elementHandle();
  await cell.focus();
  await page.keyboard.press("Enter");
  // What the pad says and what the grid says are of different steps: sooner or later they agree.
  await page.waitForFunction(
    (cell) => document.querySelector("#answer strong")?.textContent === cell.lastChild.textContent[0],
    cell,
  );
  await page.locator("#clear").click();
});

test("pause and the learning rate do what they say", async () => {
  await page.locator("#run").click();
  await status("Paused");
  const step = await number("step");
  await evaluated(step);
  await page.waitForTimeout(300);
  assert.equal(await number("step"), step);
  await page.locator("#rate").fill("-3");
  assert.equal(await text("rate-value"), "0.001");
});

test("a state that was saved can be loaded, and gives the same accuracy", async () => {
  const accuracy = await text("accuracy");
  const step = await number("step");
  const file = await saved("save");
  const { tensors } = readSafetensors(new Uint8Array(readFileSync(file)).buffer);
  assert.deepEqual(tensors["fc1.weight"].shape, [120, 400]);
  assert.ok(tensors["fc1.weight.momentum_buffer"].data.some((value) => value !== 0));
  await page.locator("#restart").click();
  await status("Learning");
  await page.waitForFunction(() => parseFloat(document.querySelector("#accuracy").textContent) < 60);
  await page.locator("#file").setInputFiles(file);
  await status("Loaded");
  await evaluated(step);
  assert.equal(await text("accuracy"), accuracy);
});

test("a file that is no state of this net is refused, and nothing changes", async () => {
  const accuracy = await text("accuracy");
  const wrong = join(folder, "wrong.safetensors");
  writeFileSync(wrong, readFileSync(join(folder, "lenet.safetensors")).subarray(0, 2000));
  await page.locator("#file").setInputFiles(wrong);
  await status("was not loaded");
  assert.equal(await text("accuracy"), accuracy);
});

test("the trained model is an ONNX file of its own", async () => {
  const bytes = readFileSync(await saved("model"));
  assert.ok(bytes.includes("fc1.weight"));
});

test("it fits a phone's width", async () => {
  await page.setViewportSize(PHONE);
  const { width, small } = await page.evaluate(() => ({
    width: document.documentElement.scrollWidth,
    small: [...document.querySelectorAll("button:not([hidden]), select")]
      .map((element) => element.getBoundingClientRect())
      .filter(({ height }) => height && height < 34).length,
  }));
  assert.equal(width, PHONE.width);
  assert.equal(small, 0);
  await page.setViewportSize({ width: 1280, height: 860 });
});

test("nothing leaves the origin, and it opens without a network", async () => {
  assert.deepEqual(requested.filter((url) => !/^(blob|data):/.test(url) && !url.startsWith(server.url)), []);
  await context.setOffline(true);
  server.close();
  await page.reload();
  await status("Learning");
  await page.waitForFunction(() => Number(document.querySelector("#step").textContent) > 0);
});

test("the console is silent", () => assert.deepEqual(complaints, []));
