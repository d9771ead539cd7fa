"use strict";
// Shows the rows that match every filter. The fragment of the URL holds the filters, so that a view can be
// shared as a link.
const form = document.getElementById("filters");
const rows = Array.from(document.querySelectorAll("#knocks tbody tr"));
const figures = Array.from(document.querySelectorAll("figure[data-port]"));
const shown = document.getElementById("shown");
const names = ["port", "answer", "source", "library"];

function value(name) {
  return form.elements[name].value.trim().toLowerCase();
}

function apply() {
  const [port, answer, source, library] = names.map(value);
  let count = 0;
  let attempts = 0n;
  for (const row of rows) {
    const fits = (port === "" || row.dataset.port === port)
      && (answer === "" || row.dataset.answers.split(" ").includes(answer))
      && row.dataset.source.toLowerCase().includes(source)
      && row.dataset.library.toLowerCase().includes(library);
    row.hidden = !fits;
    if (fits) {
      count += 1;
      attempts += BigInt(row.dataset.attempts);
    }
  }
  for (const figure of figures) {
    figure.hidden = port !== "" && figure.dataset.port !== port;
  }
  shown.textContent = `${count} of ${rows.length} shown, ${attempts.toLocaleString("en")} attempts`;
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
addEventListener("hashchange", read);
form.hidden = false;
read();
