"""The style sheet of the report: light and dark as the reader's system asks, legible on paper."""

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #ffffff; --soft: #59636e; --line: #d9dee3; --box: #f5f7f9;
  --s0: #0b62c4; --s1: #c2410c; --s2: #0f766e; --s3: #7c3aed; --s4: #a16207; --s5: #be185d; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --paper: #14181d; --soft: #9aa5b1; --line: #323a43;
  --box: #1c2229; --s0: #6cb0ff; --s1: #ff9a62; --s2: #4fd1c2; --s3: #b79bff; --s4: #f0c04f; --s5: #ff85b3; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 auto;
  max-width: 1060px; padding: 1.5rem; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.25rem; margin: 2.2rem 0 .4rem; } h3 { font-size: 1rem; }
p { max-width: 46rem; } .soft, .note { color: var(--soft); } .note { font-size: .9rem; }
nav a { margin-right: 1rem; } a { color: var(--s0); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: .8rem; margin: 1rem 0; }
.tile { background: var(--box); border: 1px solid var(--line); border-radius: .5rem; padding: .8rem 1rem; }
.tile b { display: block; font-size: 1.6rem; } .tile p { margin: .2rem 0 0; font-size: .9rem; color: var(--soft); }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1rem; }
figure { margin: 0; } figcaption { font-weight: 600; } svg { width: 100%; height: auto; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; margin: .6rem 0; }
th, td { text-align: left; padding: .25rem .7rem .25rem 0; border-bottom: 1px solid var(--line); }
th { vertical-align: bottom; } .number { text-align: right; font-variant-numeric: tabular-nums; }
.grid { stroke: var(--line); } .mark { stroke: var(--soft); stroke-dasharray: 3 3; }
.tick { font-size: 11px; fill: var(--soft); } .axis { font-size: 12px; fill: var(--ink); }
.middle { text-anchor: middle; } .end { text-anchor: end; }
.line { fill: none; stroke-width: 2; } .reference { stroke: var(--soft); stroke-dasharray: 5 4; stroke-width: 1; }
.line.series-0 { stroke: var(--s0); } .line.series-1 { stroke: var(--s1); } .line.series-2 { stroke: var(--s2); }
.line.series-3 { stroke: var(--s3); } .line.series-4 { stroke: var(--s4); } .line.series-5 { stroke: var(--s5); }
.bar.series-0, .dot.series-0 { fill: var(--s0); } .bar.series-1, .dot.series-1 { fill: var(--s1); }
.bar.series-2, .dot.series-2 { fill: var(--s2); } .bar.series-3, .dot.series-3 { fill: var(--s3); }
.bar.series-4, .dot.series-4 { fill: var(--s4); } .bar.series-5, .dot.series-5 { fill: var(--s5); }
.key { display: inline-block; width: .8rem; height: .8rem; border-radius: .2rem; margin: 0 .3rem 0 .8rem; }
.key.series-0 { background: var(--s0); } .key.series-1 { background: var(--s1); }
.key.series-2 { background: var(--s2); }
.key.series-3 { background: var(--s3); } .key.series-4 { background: var(--s4); }
.key.series-5 { background: var(--s5); }
.legend { margin: 0; font-size: .85rem; }
@media print { body { max-width: none; } section { break-inside: avoid; } }
"""
