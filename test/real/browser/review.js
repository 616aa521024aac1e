// review.js FILE - a reviewer at work in Label Studio: logs in, takes task by task as they are served, presses the keys
// that FILE says for each, and submits. Prints what was seen and done, as JSON.
//
// FILE is JSON: {url, project, email, password, shots: prefix of the screenshots' names, theme: "Light" or "Dark",
// tasks: {name: {begins: beginning of the message, keys: [...], shows: [...]}}}. A key is a name such as "a" or
// "Control+Enter", "text:..." types, and "select:from:to" selects these characters of the message, counted in UTF-16,
// with the mouse. The task is submitted with the last key. shows: selectors whose texts are returned before that.

'use strict';

const fs = require('fs');
const { launch, shot } = require('./browser.js');

const plan = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const patience = 30000;
const message = '.lsf-richtext__container';

const logIn = async (page) => {
    await page.goto(`${plan.url}/user/login/`);
    await page.fill('input[name=email]', plan.email);
    await page.fill('input[name=password]', plan.password);
    await Promise.all([page.waitForURL((url) => !url.pathname.startsWith('/user/login')),
        page.click('button[type=submit]')]);
};

// The message of the task that is served now, once all of its choices are there; null after the last task.
const nextMessage = async (page, before) => {
    const handle = await page.waitForFunction(([selector, former]) => {
        const text = document.querySelector(selector)?.textContent;
        if (document.querySelector('.lsf-choices .lsf-choice') && text && text !== former) return { text };
        return /no (more )?tasks|queue is empty|all done/i.test(document.body.innerText) ? { text: null } : false;
    }, [message, before], { timeout: patience });
    return (await handle.jsonValue()).text;
};

// Whether anything but a box of its own has to be scrolled, or lies outside of the window; which controls can be seen.
const geometry = (page) => page.evaluate(() => {
    const overflows = (element) => element.scrollHeight > element.clientHeight + 1
        || element.scrollWidth > element.clientWidth + 1;
    const seen = (element) => {
        const box = element.getBoundingClientRect();
        if (box.width === 0 || box.height === 0) return null;
        const bar = document.querySelector('[class*=bottombar], [class*=bottom-bar]')?.getBoundingClientRect();
        return box.top >= 0 && box.left >= 0 && box.right <= innerWidth && box.bottom <= (bar?.top ?? innerHeight);
    };
    const all = (selector) => [...document.querySelectorAll(selector)].map(seen).filter((s) => s !== null);
    const font = getComputedStyle(document.querySelector('.lsf-richtext__container'));
    return {
        scrolls: ['html', 'body', '.lsf-main-content', '.lsf-main-view', '.tw-screen'].filter((selector) => {
            const element = document.querySelector(selector);
            return element && overflows(element) && getComputedStyle(element).overflowY !== 'visible';
        }),
        verdicts: all('.tw-verdict .lsf-choice, .tw-reason .lsf-choice'),
        fields: all('.tw-screen input[type=text], .tw-screen textarea'),
        boxes: all('.tw-message .lsf-object, .tw-message .lsf-labels, .tw-said, .tw-verdict, .tw-intents'),
        size: parseFloat(font.fontSize),
        scroll: (() => {
            const box = document.querySelector('.tw-message .lsf-object');
            return box ? box.scrollHeight / box.clientHeight : null;
        })(),
    };
});

// The place of a character of the message on the screen.
const placeOf = (page, offset, end) => page.evaluate(([selector, from, isEnd]) => {
    const walker = document.createTreeWalker(document.querySelector(selector), NodeFilter.SHOW_TEXT);
    let left = from;
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        if (left < node.length || (isEnd && left <= node.length)) {
            const range = document.createRange();
            range.setStart(node, isEnd ? left - 1 : left);
            range.setEnd(node, isEnd ? left : left + 1);
            const box = range.getBoundingClientRect();
            return { x: isEnd ? box.right - 1 : box.left + 1, y: (box.top + box.bottom) / 2 };
        }
        left -= node.length;
    }
    return null;
}, [message, offset, end]);

const press = async (page, key) => {
    const [what, ...rest] = key.split(':');
    if (what === 'text') {
        await page.keyboard.type(rest.join(':'));
    } else if (what === 'select') {
        const [from, to] = [await placeOf(page, Number(rest[0]), false), await placeOf(page, Number(rest[1]), true)];
        await page.mouse.move(from.x, from.y);
        await page.mouse.down();
        await page.mouse.move(to.x, to.y, { steps: 5 });
        await page.mouse.up();
    } else {
        await page.keyboard.press(key);
    }
    // One frame for what the key changes.
    await page.evaluate(() => new Promise((done) => { requestAnimationFrame(() => setTimeout(done, 50)); }));
};

const work = async (page) => {
    const done = [];
    let text = await nextMessage(page, null);
    while (text !== null && done.length < Object.keys(plan.tasks).length) {
        const [name, task] = Object.entries(plan.tasks).find(([, t]) => text.startsWith(t.begins)) ?? [];
        if (!task) return { done, unknown: text };
        const before = await geometry(page);
        await shot(page, `${plan.shots}-${name}`);
        for (const key of task.keys.slice(0, -1)) await press(page, key);
        const shown = await page.evaluate((selectors) => selectors.map((selector) => [...document
            .querySelectorAll(selector)].filter((e) => e.offsetParent).map((e) => e.innerText)), task.shows ?? []);
        const after = await geometry(page);
        await shot(page, `${plan.shots}-${name}-before-submit`);
        const start = Date.now();
        const [answer] = await Promise.all([
            page.waitForResponse((r) => /\/annotations/.test(r.url()) && r.request().method() === 'POST',
                { timeout: patience }),
            page.keyboard.press(task.keys.at(-1)),
        ]);
        const { result } = JSON.parse(answer.request().postData());
        done.push({ name, text, status: answer.status(), before, after, shown, result });
        text = done.length < Object.keys(plan.tasks).length ? await nextMessage(page, text) : null;
        done.at(-1).milliseconds = Date.now() - start;
    }
    return { done };
};

(async () => {
    const { browser, page } = await launch();
    try {
        // Where Label Studio keeps what the button for it has chosen.
        await page.addInitScript((theme) => localStorage.setItem('preferred-color-scheme', theme),
            plan.theme ?? 'Light');
        await logIn(page);
        await page.goto(`${plan.url}/projects/${plan.project}/data?labeling=1`);
        console.log(JSON.stringify({ ...await work(page), problems: page.problems }));
    } catch (error) {
        await shot(page, `${plan.shots}-error`);
        throw error;
    } finally {
        await browser.close();
    }
})().catch((error) => {
    console.error(String(error));
    process.exit(1);
});
