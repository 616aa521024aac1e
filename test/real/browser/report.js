// report.js FILE - pages in a real browser: at each width, light and dark, with screenshots, and printed. Prints what
// was seen, as JSON.
//
// FILE is JSON: {pages: {name: file}, brief: {name: file}, widths: [...], elements: [names of elements that pages may
// have], attributes: [those of attributes]}. For each page: views, with what axe-core finds at a width in a theme, what
// is wider than the window, and what has too little contrast; print, with the same and the file; foreign, with found,
// what the parsed page has beside these elements and attributes and links to itself, and texts, what stands in elements
// bdi; requests, what the page asked for; keys, what the Tab key reached; policy, what a strict policy complained of;
// problems, errors of the page. Pages of "brief" are seen at the first width only, light, and on no paper.

'use strict';

const fs = require('fs');
const path = require('path');
const { pathToFileURL } = require('url');
const { launch, shot } = require('./browser.js');

const plan = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const axe = fs.readFileSync(process.env.VALIDATORS_AXE, 'utf8');

const open = async (file, options) => {
    const { browser, context, page } = await launch(options);
    const url = pathToFileURL(file).href;
    const requests = [];
    context.on('request', (request) => { if (request.url() !== url) requests.push(request.url()); });
    page.on('console', (message) => { if (message.type() === 'error') page.problems.push(message.text()); });
    page.on('dialog', (dialog) => { page.problems.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
    await page.goto(url, { waitUntil: 'load' });
    return { browser, page, requests };
};

// Everything that axe-core knows, recommendations included. Contrast in drawings, which it does not decide, is measured
// by faint().
const violations = async (page) => {
    await page.evaluate(axe);
    return page.evaluate(async () => {
        const found = await window.axe.run(document, { resultTypes: ['violations', 'incomplete'] });
        const short = (rule) => rule.nodes.map((node) => `${rule.id}: ${node.target.join(' ')}`);
        const undecided = found.incomplete.filter((rule) => rule.id !== 'color-contrast');
        return { violations: found.violations.flatMap(short), undecided: undecided.flatMap(short),
            rules: found.passes.length };
    });
};

// Texts and drawings whose contrast is too low: of each colour on its ground the ratio, if it is below that of WCAG's
// level AA (4.5 for text, 3 for what is drawn).
const faint = (page) => page.evaluate(() => {
    const parse = (colour) => colour.match(/[\d.]+/g)?.map(Number) ?? [0, 0, 0, 0];
    const channel = (c) => (c <= 10.31475 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
    const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
    const ground = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const colour = parse(getComputedStyle(at).backgroundColor);
            if ((colour[3] ?? 1) === 1) return colour;
        }
        return [255, 255, 255];
    };
    const ratio = (a, b) => {
        const [high, low] = [light(a), light(b)].sort((x, y) => y - x);
        return (high + 0.05) / (low + 0.05);
    };
    const measured = new Map();
    const measure = (what, element, colour, least) => {
        const found = ratio(parse(colour), ground(element));
        measured.set(`${what} ${element.localName}.${element.className.baseVal ?? element.className} ${colour}`,
            { ratio: found, least });
    };
    for (const element of document.querySelectorAll('body *')) {
        const style = getComputedStyle(element);
        const own = [...element.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.nodeValue.trim() !== '');
        if (!element.checkVisibility() || element.closest('title, desc')) continue;
        if (own) measure('text', element, element.localName === 'text' ? style.fill : style.color, 4.5);
        // The scale's lines, and areas that only fill, say nothing that is not said by others.
        const told = element.closest('svg') && !element.matches('.grid, .track, [class^=b]') && style.opacity === '1';
        if (told && element.matches('rect, circle') && style.fill !== 'none') measure('fill', element, style.fill, 3);
        if (told && element.matches('path') && style.stroke !== 'none') measure('line', element, style.stroke, 3);
    }
    return { colours: measured.size, faint: [...measured].filter(([, m]) => m.ratio < m.least)
        .map(([name, m]) => `${name}: ${m.ratio.toFixed(2)}`) };
});

// What the page's own boxes do not hold. A box that scrolls by itself holds what is in it.
const wider = (page) => page.evaluate(() => {
    const held = (element) => element.closest('.scroll') !== null && !element.matches('.scroll');
    const out = [...document.querySelectorAll('body *')].filter((element) => {
        const box = element.getBoundingClientRect();
        return box.width > 0 && !held(element) && !element.closest('.skip') && box.right > innerWidth + 1;
    });
    return { page: document.documentElement.scrollWidth - innerWidth,
        elements: out.slice(0, 5).map((element) => `${element.tagName}.${element.className?.baseVal
            ?? element.className} ${element.textContent.slice(0, 60)}`) };
});

const foreign = (page) => page.evaluate(([elements, attributes]) => {
    const found = [];
    const walk = document.createTreeWalker(document, NodeFilter.SHOW_ALL);
    for (let node = walk.nextNode(); node; node = walk.nextNode()) {
        if (node.nodeType === Node.ELEMENT_NODE) {
            if (!elements.includes(node.localName)) found.push(`element ${node.localName}`);
            for (const { name, value } of node.attributes) {
                if (!attributes.includes(name)) found.push(`attribute ${name}`);
                if (name === 'href' && !(value.startsWith('#') && document.getElementById(value.slice(1)))) {
                    found.push(`link ${value}`);
                }
                if (/javascript:|url\(|[<>]/i.test(value)) found.push(`value ${name}=${value}`);
            }
            if (node.localName === 'bdi' && node.childElementCount > 0) found.push(`inside of bdi: ${node.innerHTML}`);
        } else if (![Node.TEXT_NODE, Node.DOCUMENT_TYPE_NODE].includes(node.nodeType)) {
            found.push(`node ${node.nodeType}: ${node.nodeValue}`);
        }
    }
    // A page that a text broke open would have a part behind its end.
    const last = document.body.lastElementChild;
    if (last?.className !== 'page' || last.lastElementChild.localName !== 'footer') found.push('no footer at the end');
    return { found: [...new Set(found)], compat: document.compatMode,
        texts: [...document.querySelectorAll('bdi')].map((element) => ({ text: element.textContent,
            section: element.closest('section')?.id ?? element.closest('header, nav, footer')?.localName ?? '' })) };
}, [plan.elements, plan.attributes]);

// The first of what the Tab key reaches, and of the boxes that scroll, whether it reaches them; each must show it.
const keys = async (page) => {
    const reached = [];
    for (let n = 0; n < 400; n += 1) {
        await page.keyboard.press('Tab');
        const now = await page.evaluate(() => {
            const element = document.activeElement;
            if (!element || element === document.body) return null;
            const style = getComputedStyle(element);
            const box = element.getBoundingClientRect();
            const seen = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0;
            return { name: `${element.localName}.${element.className}`, seen: seen && box.width > 0 && box.right > 0 };
        });
        if (!now) break;
        reached.push(now);
    }
    return { first: reached[0]?.name, count: reached.length, unseen: reached.filter((r) => !r.seen).map((r) => r.name),
        reachable: await page.evaluate(() => [...document.querySelectorAll('a, summary, .scroll')]
            .filter((element) => element.checkVisibility({ contentVisibilityAuto: true })).length) };
};

// Served with the strictest policy that lets a style sheet of the page's own be.
const underPolicy = async (file) => {
    const { browser, page } = await launch({ colorScheme: 'light' });
    page.on('console', (message) => page.problems.push(message.text()));
    await page.route('http://report.test/', (route) => route.fulfill({ contentType: 'text/html; charset=utf-8',
        headers: { 'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'" },
        body: fs.readFileSync(file) }));
    await page.goto('http://report.test/');
    const font = await page.evaluate(() => getComputedStyle(document.querySelector('h1')).fontSize);
    await browser.close();
    return { problems: page.problems, font };
};

const look = async (name, file, brief) => {
    const seen = { views: [], problems: [], requests: [] };
    for (const width of brief ? plan.widths.slice(0, 1) : plan.widths) {
        for (const colorScheme of brief ? ['light'] : ['light', 'dark']) {
            const { browser, page, requests } = await open(file, { viewport: { width, height: 800 }, colorScheme });
            const overflow = await wider(page);
            await shot(page, `${name}-${width}-${colorScheme}`, { fullPage: true });
            if (!seen.foreign) {
                seen.foreign = await foreign(page);
                if (!brief) seen.keys = await keys(page);
            }
            // What is folded is looked at as well.
            await page.evaluate(() => document.querySelectorAll('details').forEach((d) => { d.open = true; }));
            seen.views.push({ width, theme: colorScheme, overflow, unfolded: await wider(page),
                contrast: await faint(page), ...await violations(page) });
            seen.problems.push(...page.problems);
            seen.requests.push(...requests);
            await browser.close();
        }
    }
    if (brief) return seen;
    seen.policy = await underPolicy(file);
    // Who prefers dark pages prints on white paper all the same.
    const paper = { viewport: { width: 700, height: 1000 }, colorScheme: 'dark' };
    const { browser, page, requests } = await open(file, paper);
    const pdf = path.join(process.env.BROWSER_SCREENSHOTS, `${name}.pdf`);
    await page.pdf({ path: pdf, format: 'A4', preferCSSPageSize: true });
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
    seen.print = { pdf, overflow: await wider(page), contrast: await faint(page), ...await violations(page) };
    seen.requests.push(...requests);
    await browser.close();
    return seen;
};

(async () => {
    const seen = {};
    for (const [name, file] of Object.entries(plan.pages)) seen[name] = await look(name, file, false);
    for (const [name, file] of Object.entries(plan.brief ?? {})) seen[name] = await look(name, file, true);
    console.log(JSON.stringify(seen));
})().catch((error) => {
    console.error(error);
    process.exit(1);
});
