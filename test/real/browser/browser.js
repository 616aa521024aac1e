// browser.js - what the scripts of this folder share: Chromium without a window, and pictures of what it shows.
//
// The environment says where they are, see ../browser.sh.

'use strict';

const fs = require('fs');
const path = require('path');

// A browser with one page. Options are those of playwright's newContext(), such as viewport and colorScheme. The page's
// own errors are collected in page.problems.
exports.launch = async (options = {}) => {
    const { chromium } = require(process.env.BROWSER_DRIVER);
    const browser = await chromium.launch({
        executablePath: process.env.BROWSER_EXECUTABLE,
        // Tests may run where a sandbox cannot be made; they open pages of ours alone.
        args: ['--no-sandbox', '--disable-dev-shm-usage'],
        env: { ...process.env, HOME: process.env.BROWSER_HOME },
    });
    const context = await browser.newContext({ viewport: { width: 1280, height: 720 }, ...options });
    const page = await context.newPage();
    page.problems = [];
    page.on('pageerror', (error) => page.problems.push(String(error)));
    return { browser, context, page };
};

// A picture of what the page shows now; returns its file.
exports.shot = async (page, name, options = {}) => {
    const folder = process.env.BROWSER_SCREENSHOTS;
    fs.mkdirSync(folder, { recursive: true });
    const file = path.join(folder, `${name}.png`);
    await page.screenshot({ path: file, ...options });
    return file;
};
