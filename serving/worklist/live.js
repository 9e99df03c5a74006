/* Live pages: answers without leaving the page, a newer list announced, J and K, the theme kept.
   Every form and link works without this script. */
(function () {
"use strict";
var root = document.documentElement;
var $ = function (id) { return document.getElementById(id); };

/* light and dark */
var store = null;
try { store = localStorage; } catch (_) { store = null; }
var kept = store && store.getItem("theme");
if (kept === "dark" || kept === "light") { root.dataset.theme = kept; }

addEventListener("DOMContentLoaded", function () {
  var theme = $("theme");
  if (theme) {
    theme.addEventListener("click", function () {
      var dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
      root.dataset.theme = dark ? "light" : "dark";
      if (store) { store.setItem("theme", root.dataset.theme); }
    });
  }

  /* the tab that is open is in sight, on a phone too */
  var open = document.querySelector("nav a[aria-current]");
  if (open) { open.scrollIntoView({ block: "nearest", inline: "center" }); }

  /* the slider of the capacity: words while it moves, the line of the list when it rests */
  var plan = $("plan");
  if (plan) {
    var says = planWords(JSON.parse(plan.dataset.what)), rested = plan.value;
    var tell = function () {
      var cut = plan.value === rested && plan.dataset.cut !== "" ? +plan.dataset.cut : null;
      $("plan-calls").textContent = new Intl.NumberFormat(root.lang).format(+plan.value);
      $("plan-says").textContent = says(plan.dataset.rank, +plan.value, cut);
    };
    plan.addEventListener("input", tell);
    tell();
  }
  var resting = 0;
  /* the list with its line, put in place of the one that is shown; the slider keeps the focus */
  function moveLine() {
    var query = new URLSearchParams();
    new FormData(narrow).forEach(function (value, key) { if (value) { query.set(key, value); } });
    var to = "/today?" + query;
    fetch(to, { credentials: "same-origin", headers: { Accept: "text/html" } })
      .then(function (answer) { return answer.ok ? answer.text() : Promise.reject(answer.status); })
      .then(function (html) {
        var page = new DOMParser().parseFromString(html, "text/html");
        ["all", "count"].forEach(function (id) { $(id).replaceWith(document.adoptNode(page.getElementById(id))); });
        var old = document.querySelector(".pager"), now = page.querySelector(".pager");
        if (old && now) { old.replaceWith(document.adoptNode(now)); }
        history.replaceState(null, "", to);
        plan.dataset.cut = page.getElementById("plan").dataset.cut;
        rested = plan.value;
        tell();
      })
      .catch(function () { narrow.requestSubmit(); });
  }

  /* filters apply at once */
  var narrow = $("narrow");
  if (narrow) { 
    var send = function () { narrow.requestSubmit(); };
    narrow.addEventListener("change", send);
    if (plan) { plan.addEventListener("change", function () { clearTimeout(resting); resting = setTimeout(moveLine, 200); }); }
  }

  /* answers: the row leaves the list, the words are read out */
  var said = $("said");
  function announce(text, good) {
    said.textContent = text;
    said.className = good ? "banner soft" : "banner";
  }
  document.addEventListener("submit", function (event) {
    var form = event.target;
    if (form.getAttribute("action") !== "/answers") { return; }
    event.preventDefault();
    var body = new URLSearchParams(new FormData(form, event.submitter));
    Array.prototype.forEach.call(form.elements, function (field) { field.disabled = true; });
    fetch("/answers", { method: "POST", body: body, headers: { Accept: "application/json" }, credentials: "same-origin" })
      .then(function (answer) { return answer.json().then(function (told) { return [answer.ok, told]; }); })
      .then(function (pair) {
        Array.prototype.forEach.call(form.elements, function (field) { field.disabled = false; });
        announce(pair[0] ? pair[1].said : pair[1].detail, pair[0]);
        if (event.submitter && document.activeElement === document.body) { event.submitter.focus(); }
        if (!pair[0]) { return; }
        if (pair[1].undo) { offer(pair[1].undo, form, pair[1].undo_words); }
        var row = form.closest("tr, [data-row]");
        if (!row) { refresh(); }
        if (row && pair[1].off) {
          var next = row.nextElementSibling || row.previousElementSibling;
          row.remove();
          var link = next && next.querySelector("a");
          if (link) { link.focus(); }
        }
      })
      .catch(function () {
        Array.prototype.forEach.call(form.elements, function (field) { field.disabled = false; });
        form.submit();
      });
  });
  /* what the page says of the lead, in place of what it said before the answer */
  function refresh() {
    fetch(location.href, { credentials: "same-origin", headers: { Accept: "text/html" } })
      .then(function (answer) { return answer.ok ? answer.text() : Promise.reject(answer.status); })
      .then(function (html) {
        var page = new DOMParser().parseFromString(html, "text/html");
        ["lead", "answer"].forEach(function (id) {
          var now = page.getElementById(id);
          if ($(id) && now) { $(id).replaceWith(document.adoptNode(now)); }
        });
        var first = $("answer") && $("answer").querySelector("button");
        if (first && document.activeElement === document.body) { first.focus(); }
      })
      .catch(function () {});
  }
  function offer(number, form, words) {
    var undo = document.createElement("form"), button = document.createElement("button");
    undo.method = "post"; undo.action = "/answers"; undo.className = "quick";
    ["csrf", "lead", "run", "back"].forEach(function (name) {
      undo.appendChild(form.elements[name].cloneNode());
    });
    [["verdict", "undo"], ["number", number]].forEach(function (pair) {
      var field = document.createElement("input");
      field.type = "hidden"; field.name = pair[0]; field.value = pair[1];
      undo.appendChild(field);
    });
    button.textContent = words;
    undo.appendChild(button);
    undo.addEventListener("submit", function (event) { event.stopPropagation(); });
    said.append(" ", undo);
  }

  /* J and K: the next and the previous lead */
  addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) { return; }
    var link = { j: "next", k: "prev" }[event.key.toLowerCase()];
    var there = link && document.querySelector(".beside a[rel=" + link + "]");
    if (there) { there.click(); }
  });

  /* a newer list: a page keeps its own until it is loaded again */
  var newer = $("newer"), loaded = performance.getEntriesByType("navigation")[0];
  if (newer && !newer.hidden && loaded && loaded.type === "reload") {
    var plain = new URL(location.href);
    if (plain.searchParams.has("run")) { plain.searchParams.delete("run"); location.replace(plain); return; }
  }
  if (newer) {
    setInterval(function () {
      if (document.hidden || !newer.hidden) { return; }
      fetch("/newest", { credentials: "same-origin", headers: { Accept: "application/json" } })
        .then(function (answer) { return answer.ok ? answer.json() : null; })
        .then(function (told) { 
          if (told && told.run !== newer.dataset.run) { newer.querySelector("a").textContent = told.said; newer.hidden = false; }
         })
        .catch(function () {});
    }, 60000);
  }
});
})();
