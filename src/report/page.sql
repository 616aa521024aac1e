-- The page around the sections of training_report(): its style, its head, its contents.
--
-- Colours of both themes keep a contrast of 4.5 to 1 for text and 3 to 1 for lines and fills. Neighbours in a stack
-- differ in lightness too, and lines in their dashes: nothing is told by colour alone.

CREATE FUNCTION @extschema@.tw_page_style() RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN $css$
:root { color-scheme: light dark; --paper: #fbfaf7; --card: #ffffff; --ink: #1f1e1c; --soft: #5c5953; --rule: #dfdbd3;
  --accent: #0b5c92; --s1: #0b5c92; --s2: #c27c00; --s3: #00795a; --s4: #a8487f; --s5: #3d8fc0; --s6: #a83f00; }
@media screen and (prefers-color-scheme: dark) {
  :root { --paper: #161719; --card: #1e2023; --ink: #ecebe8; --soft: #aeaba5; --rule: #3a3c40; --accent: #7cc0ee;
    --s1: #4f9fd6; --s2: #f2bd4b; --s3: #2fb088; --s4: #e59cc5; --s5: #a5d6f3; --s6: #ee8550; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1.0625rem/1.6 system-ui, -apple-system, "Segoe UI",
  Roboto, "Noto Sans", "Noto Sans Devanagari", "Helvetica Neue", Arial, sans-serif; overflow-wrap: break-word; }
.page { max-width: 56rem; margin: 0 auto; padding: 3.5rem 1.5rem 5rem; }
h1, h2 { font-family: Georgia, "Noto Serif", "Times New Roman", serif; font-weight: 600; line-height: 1.2;
  letter-spacing: -0.01em; margin: 0; text-wrap: balance; }
h1 { font-size: 2.5rem; }
h2 { font-size: 1.6rem; }
h3 { font-size: 1.0625rem; margin: 2rem 0 0.5rem; }
p { margin: 0.75rem 0; }
a { color: var(--accent); text-underline-offset: 0.2em; }
a:focus-visible, summary:focus-visible, .scroll:focus-visible { outline: 3px solid var(--accent);
  outline-offset: 3px; border-radius: 2px; }
code { font: 0.9em/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace;
  overflow-wrap: anywhere; }
.skip { position: absolute; left: -100rem; }
.skip:focus { left: 1.5rem; top: 1rem; }
header .period { color: var(--soft); font-size: 1.2rem; margin: 0.5rem 0 0; }
header .made { color: var(--soft); font-size: 0.9rem; }
section { margin-top: 4.5rem; scroll-margin-top: 1.5rem; }
.lead { font-size: 1.15rem; line-height: 1.55; max-width: 42rem; }
.note, .more, .empty, .none { color: var(--soft); }
.note, .more { font-size: 0.9rem; }
.none { font-style: italic; }
.key { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: 1.75rem 2rem;
  margin: 2.5rem 0 0; padding: 1.75rem 0 0; border-top: 1px solid var(--rule); }
.key div { display: flex; flex-direction: column; }
.key dt { color: var(--soft); font-size: 0.9rem; }
.key dd { margin: 0; }
.key .figure { font: 600 1.9rem/1.25 Georgia, "Noto Serif", "Times New Roman", serif;
  font-variant-numeric: lining-nums tabular-nums; }
.key .note { line-height: 1.4; }
nav { margin-top: 2.5rem; padding-top: 1.5rem; border-top: 1px solid var(--rule); font-size: 0.95rem; }
nav h2 { font-family: inherit; font-size: 0.9rem; letter-spacing: 0; color: var(--soft); }
nav ul { margin: 0.5rem 0 0; padding: 0; list-style: none; columns: 15rem auto; column-gap: 2rem; }
nav li { break-inside: avoid; padding: 0.2rem 0; }
ol.steps { padding: 0; list-style: none; counter-reset: step; margin: 1.5rem 0 0; }
ol.steps li { counter-increment: step; position: relative; padding: 1rem 0 1rem 3rem;
  border-top: 1px solid var(--rule); }
ol.steps li::before { content: counter(step); position: absolute; left: 0; top: 1rem; width: 1.9rem; height: 1.9rem;
  border-radius: 50%; background: var(--accent); color: var(--paper); font-weight: 600; line-height: 1.9rem;
  text-align: center; font-size: 0.95rem; }
ol.steps p { margin: 0.25rem 0; }
.chart { margin: 2rem 0; }
figcaption { margin-bottom: 0.75rem; color: var(--soft); font-size: 0.95rem; line-height: 1.5; }
figcaption strong { display: block; color: var(--ink); font-size: 1.0625rem; }
.chart > svg { display: block; width: 100%; height: auto; overflow: visible; }
.chart.square > svg { max-width: 26rem; }
svg text { font-size: 14px; fill: var(--soft); font-family: inherit; }
svg .y { text-anchor: end; dominant-baseline: central; }
svg .x { text-anchor: middle; }
svg .last { text-anchor: end; }
svg .bar { fill: var(--ink); font-size: 15px; }
svg .value { text-anchor: end; font-size: 15px; fill: var(--ink); }
.grid, .zero, .diagonal { stroke: var(--rule); stroke-width: 1; fill: none; }
.zero { stroke: var(--soft); stroke-width: 1.5; }
.diagonal { stroke: var(--soft); stroke-width: 1.5; stroke-dasharray: 5 5; }
.track { fill: var(--rule); opacity: 0.6; }
.f1 { fill: var(--s1); } .f2 { fill: var(--s2); } .f3 { fill: var(--s3); }
.f4 { fill: var(--s4); } .f5 { fill: var(--s5); } .f6 { fill: var(--s6); }
rect[class^="f"] { stroke: var(--paper); stroke-width: 1; }
.l1, .l2, .l3, .l4, .l5, .l6, .e1, .e2, .e3, .e4, .e5, .e6 { fill: none; stroke-width: 2.5; stroke-linejoin: round; }
.l1, .e1 { stroke: var(--s1); }
.l2, .e2 { stroke: var(--s2); } .l2 { stroke-dasharray: 9 4; }
.l3, .e3 { stroke: var(--s3); } .l3 { stroke-dasharray: 3 3; }
.l4, .e4 { stroke: var(--s4); } .l4 { stroke-dasharray: 12 3 3 3; }
.l5, .e5 { stroke: var(--s5); } .l5 { stroke-dasharray: 6 3; }
.l6, .e6 { stroke: var(--s6); } .l6 { stroke-dasharray: 2 5; }
.b1, .b2, .b3, .b4, .b5, .b6 { opacity: 0.18; }
.b1 { fill: var(--s1); } .b2 { fill: var(--s2); } .b3 { fill: var(--s3); }
.b4 { fill: var(--s4); } .b5 { fill: var(--s5); } .b6 { fill: var(--s6); }
.legend { display: flex; flex-wrap: wrap; gap: 0.3rem 1.5rem; margin: 0.75rem 0 0; padding: 0; list-style: none;
  font-size: 0.9rem; color: var(--soft); }
.legend li { display: flex; align-items: center; gap: 0.5rem; }
.legend svg { width: 28px; height: 12px; flex: none; }
details { margin-top: 0.75rem; }
summary { cursor: pointer; color: var(--accent); font-size: 0.9rem; width: fit-content; }
.scroll { overflow-x: auto; margin: 1.5rem 0 0.5rem; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; line-height: 1.45; }
caption { text-align: left; font-weight: 600; padding: 0 0 0.6rem; }
th, td { text-align: left; vertical-align: top; padding: 0.55rem 1rem 0.55rem 0;
  border-bottom: 1px solid var(--rule); }
th:last-child, td:last-child { padding-right: 0; }
thead th { color: var(--soft); font-weight: 500; font-size: 0.85rem; vertical-align: bottom;
  border-bottom-color: var(--soft); }
tbody th { font-weight: 500; min-width: 6rem; }
td:last-child:not(.n) { min-width: 11rem; }
td p { margin: 0 0 0.35rem; }
.n { text-align: right; font-variant-numeric: tabular-nums; }
td.n { white-space: nowrap; }
footer { margin-top: 5rem; padding-top: 1.5rem; border-top: 1px solid var(--rule); color: var(--soft);
  font-size: 0.9rem; }
@media screen and (max-width: 700px) {
  body { font-size: 1rem; }
  .page { padding: 2rem 1.15rem 3rem; }
  h1 { font-size: 1.9rem; }
  h2 { font-size: 1.4rem; }
  section { margin-top: 3.25rem; }
  .lead { font-size: 1.0625rem; }
  .key { grid-template-columns: 1fr 1fr; gap: 1.25rem 1rem; }
  .key .figure { font-size: 1.5rem; }
  nav ul { columns: auto; }
  nav li { padding: 0.4rem 0; }
  .wide > svg text { font-size: 25px; }
  .wide > svg .minor { display: none; }
  tbody th { overflow-wrap: anywhere; min-width: 9.5rem; }
}
@media print {
  @page { margin: 18mm 16mm; }
  :root { --paper: #ffffff; }
  body { font-size: 10.5pt; }
  .page { max-width: none; padding: 0; }
  .key { grid-template-columns: repeat(4, 1fr); gap: 1rem; }
  nav, .skip, details { display: none; }
  section { margin-top: 2.25rem; }
  h2, .lead, caption, figcaption { break-after: avoid; }
  figure, tr, .key, ol.steps li, .lead { break-inside: avoid; }
  .scroll { overflow: visible; }
  h1 { font-size: 24pt; }
  h2 { font-size: 15pt; }
  .lead { font-size: 11pt; }
  figcaption, .legend, .note, .more { font-size: 9pt; }
  table, thead th { font-size: 8.5pt; }
  th, td { padding: 0.3rem 0.6rem 0.3rem 0; }
  tbody th, td:last-child:not(.n) { min-width: 0; }
  tbody th, td:not(.n) { overflow-wrap: anywhere; }
  .chart.wide > svg { max-height: 5.5cm; width: auto; max-width: 100%; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
}
$css$;
REVOKE ALL ON FUNCTION @extschema@.tw_page_style() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_page_style() IS
    'The style sheet of the page: light and dark, on a phone, and printed';

CREATE FUNCTION @extschema@.tw_page(title text, head text, sections text, foot text) RETURNS text
    LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT E'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
        '<meta name="robots" content="noindex"/>\n'
        || format(E'<title>%s</title>\n<style>%s</style>\n</head>\n<body>\n<div class="page">\n'
                  '<a class="skip" href="#content">Skip to the content</a>\n<header>\n%s\n</header>\n',
                  title, @extschema@.tw_page_style(), head)
        || coalesce((SELECT E'<nav aria-labelledby="contents-title">\n<h2 id="contents-title">Contents</h2>\n<ul>\n'
                     || string_agg(format(E'<li><a href="#%s">%s</a></li>\n', s.part[1], s.part[2]), '' ORDER BY s.n)
                     || E'</ul>\n</nav>\n'
                     FROM regexp_matches(sections, '<section id="([^"]*)"[^>]*>\s*<h2[^>]*>((?:[^<]|<(?!/h2>))*)</h2>',
                                    'g')
                          WITH ORDINALITY s (part, n)), '')
        || format(E'<main id="content">\n%s</main>\n<footer>\n%s\n</footer>\n</div>\n</body>\n</html>\n',
                  sections, foot);
END;
REVOKE ALL ON FUNCTION @extschema@.tw_page(text, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_page(text, text, text, text) IS
    'A whole page: title, head, sections (tw_page_section) and foot are HTML; the contents are made of the sections';
