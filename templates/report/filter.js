"use strict";
// Lists the sources that match every filter. All of them are in the page's data; the table gets some at a time,
// those with the most attempts first. The fragment of the URL holds the filters, so that a view can be shared as
// a link.
const data = JSON.parse(document.getElementById("data").textContent);
const form = document.getElementById("filters");
const body = document.querySelector("#knocks tbody");
const figures = Array.from(document.querySelectorAll("figure[data-port]"));
const shown = document.getElementById("shown");
const more = document.getElementById("more");
const names = ["port", "answer", "source", "library"];
const text = (number) => data.texts[number];
// What the filters of text search, in small letters.
const searched = data.source.map((source, row) => ({
  source: [source, text(data.client[row]), text(data.name[row])].join(" ").toLowerCase(),
  library: `${text(data.libraries[row])} ${text(data.names[row])}`.toLowerCase(),
}));
let matching = [];
let listed = 0;

function value(name) {
  return form.elements[name].value.trim().toLowerCase();
}

function grouped(number) {
  return BigInt(number).toLocaleString("en");
}

// An element with this class and these texts or elements inside.
function element(name, style, ...inside) {
  const made = document.createElement(name);
  if (style) made.className = style;
  made.append(...inside);
  return made;
}

// Text as a line of its own; nothing for no text.
function line(content) {
  return content === "" ? [] : [element("span", "name", content)];
}

// As the template writes it (templates/report/page.html).
function tableRow(row) {
  const source = element("th", "", data.source[row], ...line(text(data.client[row])), ...line(text(data.name[row])));
  source.scope = "row";
  const answers = data.answers[row].map(([answer, count]) => {
    const name = data.answer_names[answer];
    return element("span", `answer ${name}`, `${name} ${grouped(count)}`);
  });
  const minute = (minutes) => minutes === null
    ? "" : new Date(minutes * 60000).toISOString().slice(0, 16).replace("T", " ");
  const when = element("td", "spark", text(data.sparkline[row]));
  when.ariaHidden = "true";
  return element("tr", "", source,
    element("td", "number", text(data.port[row])),
    element("td", "number", grouped(data.attempts[row])),
    element("td", "", ...answers, ...line(text(data.protocols[row]))),
    element("td", "text", text(data.libraries[row]), ...data.lines[row].flatMap((number) => line(text(number)))),
    element("td", "time", minute(data.first[row])),
    element("td", "time", minute(data.last[row])),
    when);
}

function listMore() {
  const next = matching.slice(listed, listed + data.step);
  body.append(...next.map(tableRow));
  listed += next.length;
  const rest = matching.length - listed;
  more.hidden = rest === 0;
  more.textContent = `List ${grouped(Math.min(rest, data.step))} more`;
  const attempts = matching.reduce((sum, row) => sum + BigInt(data.attempts[row]), 0n);
  shown.textContent = `${grouped(matching.length)} of ${grouped(data.source.length)} match, ${grouped(attempts)} attempt${attempts === 1n ? "" : "s"}`
    + (rest === 0 ? "" : `; the first ${grouped(listed)} are listed`);
}

function apply() {
  const [port, answer, source, library] = names.map(value);
  const wanted = data.answer_names.indexOf(answer);
  matching = [];
  searched.forEach((one, row) => {
    const fits = (port === "" || text(data.port[row]) === port)
      && (answer === "" || data.answers[row].some(([number]) => number === wanted))
      && one.source.includes(source)
      && one.library.includes(library);
    if (fits) matching.push(row);
  });
  for (const figure of figures) {
    figure.hidden = port !== "" && figure.dataset.port !== port;
  }
  body.replaceChildren();
  listed = 0;
  listMore();
}

function read() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  for (const name of names) {
    form.elements[name].value = wanted.get(name) ?? "";
  }
  apply();
}

form.addEventListener("input", () => {
  const wanted = new URLSearchParams();
  for (const name of names.filter((name) => value(name) !== "")) {
    wanted.set(name, value(name));
  }
  history.replaceState(null, "", `#${wanted}`);
  apply();
});
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", () => {
  history.replaceState(null, "", "#");
  // The browser empties the fields only after this event.
  setTimeout(apply);
});
more.addEventListener("click", () => {
  const next = listed;
  listMore();
  // The button may be gone: go on where the new rows begin.
  const first = body.rows[next];
  first.tabIndex = -1;
  first.focus({ preventScroll: true });
});
addEventListener("hashchange", read);
document.getElementById("cut")?.remove();
form.hidden = false;
read();
