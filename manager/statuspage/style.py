"""How the page looks: by the reader's own choice dark or light, and without anything to fetch."""

STYLE = """\
:root {
  color-scheme: light dark;
  --back: #ffffff; --text: #1b1f24; --soft: #f3f5f7; --line: #8c959f; --dim: #4d5661;
  --link: #0550ae; --good: #116329; --bad: #a40e26; --unsure: #7d4e00;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #101418; --text: #e6edf3; --soft: #1b2129; --line: #768390; --dim: #adbac7;
    --link: #79c0ff; --good: #7ee787; --bad: #ffa198; --unsure: #f2cc60;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 72rem; padding: 0 1rem 3rem;
  font: 1rem/1.5 system-ui, sans-serif; color: var(--text); background: var(--back);
}
header { border-bottom: 1px solid var(--line); padding: 1rem 0; }
.home { margin: 0; font-weight: 700; }
h1 { font-size: 1.6rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin-top: 2rem; }
h3 { font-size: 1.05rem; overflow-wrap: anywhere; }
a { color: var(--link); }
.skip { position: absolute; left: -100rem; }
.skip:focus { position: static; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
form { display: flex; flex-wrap: wrap; gap: .75rem; align-items: end; margin: 1rem 0 0; }
label { display: block; font-weight: 600; }
input, select, button {
  font: inherit; color: inherit; background: var(--back); border: 1px solid var(--line);
  border-radius: .25rem; padding: .45rem .6rem; min-height: 2.75rem;
}
input { width: 32rem; max-width: 80vw; }
button { background: var(--soft); font-weight: 600; cursor: pointer; }
.hint { color: var(--dim); margin: .25rem 0 0; flex-basis: 100%; }
.verdict { border-left: .4rem solid var(--line); background: var(--soft); padding: .75rem 1rem; }
.verdict, dd, td, li, pre { overflow-wrap: anywhere; }
.green { color: var(--good); } .red { color: var(--bad); } .yellow { color: var(--unsure); }
.verdict.green, .verdict.red, .verdict.yellow { border-color: currentcolor; font-weight: 600; }
dl { display: grid; grid-template-columns: minmax(8rem, max-content) 1fr; gap: .2rem 1rem; }
dt { font-weight: 600; grid-column: 1; }
dd { margin: 0; grid-column: 2; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; min-width: 20rem; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { border: 1px solid var(--line); padding: .35rem .6rem; }
th, td { text-align: left; vertical-align: top; }
thead th { background: var(--soft); }
@media (max-width: 40rem) { dl { display: block; } dd { margin: 0 0 .4rem 1rem; } }
"""
