/* Pages by anchor, search, sort, filters, full lead pages inflated on demand, the answer form.
   Everything from a CRM is text or already escaped by the templates; nothing is ever evaluated. */
(function () {
"use strict";
var root = document.documentElement, data = JSON.parse(document.getElementById("data").textContent);
var $ = function (id) { return document.getElementById(id); };
var digits = Array.from(data.digits);
function say(n) { return String(n).replace(/\d/g, function (d) { return digits[+d]; }); }
root.classList.remove("nojs"); root.classList.add("js");

/* pages */
var chunkOf = {};
data.anchors.forEach(function (a, i) { chunkOf[a] = Math.floor(i / data.chunk); });
var pages = Array.from(document.querySelectorAll(".page")), inflated = {};
function inflate(id) {
  if (!inflated[id]) {
    var bytes = Uint8Array.from(atob($(id).textContent), function (c) { return c.charCodeAt(0); });
    inflated[id] = new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).text()
      .then(function (html) { return new DOMParser().parseFromString(html, "text/html"); });
  }
  return inflated[id];
}
function show(id, at) {
  pages.forEach(function (p) { p.classList.toggle("on", p.id === id); });
  $("lead").hidden = id !== "lead";
  root.dataset.at = id;
  document.querySelectorAll("nav a").forEach(function (a) {
    if (a.getAttribute("href") === "#" + at) { a.setAttribute("aria-current", "page"); } else { a.removeAttribute("aria-current"); }
  });
}
function go() {
  var at = decodeURIComponent(location.hash.slice(1)) || "week";
  if (at === "main") { $("main").focus(); return; }
  if (at in chunkOf) {
    inflate("c" + chunkOf[at]).then(function (doc) {
      if (decodeURIComponent(location.hash.slice(1)) !== at) { return; }
      var page = document.importNode(doc.getElementById(at), true);
      $("slot").replaceChildren(page);
      show("lead", "leads");
      toTop();
      page.querySelector("h1").focus({ preventScroll: true });
      compose();
    });
    return;
  }
  var page = $(at);
  if (!page || !page.classList.contains("page") || at === "lead") { at = "week"; }
  show(at, at);
  if (at === "leads") { whole().then(paint); }
  toTop();
}
function toTop() { scrollTo(0, 0); requestAnimationFrame(function () { scrollTo(0, 0); }); }
addEventListener("hashchange", go);

/* the list of all leads */
var body = document.querySelector("#all tbody"), rows = Array.from(body.rows), order = data.own.map(function (_, i) { return i; });
var found = null, limit = 200, texts = null, joined = null;
function whole() {
  if (!joined) {
    joined = !data.rest.length ? Promise.resolve() : inflate("rest").then(function (doc) {
      var tops = rows.values(), rest = Array.from(doc.querySelector("tbody").rows).values(), is = new Set(data.rest);
      rows = order.map(function (i) { return document.adoptNode((is.has(i) ? rest : tops).next().value); });
      rows.forEach(function (row, i) { row.classList.toggle("off", i >= limit); });
      body.replaceChildren.apply(body, rows);
    });
  }
  return joined;
}
function fold(s) { return s.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase(); }
function match() {
  var words = fold($("find").value).split(/\s+/).filter(Boolean), own = $("own").value, band = $("band").value;
  if (!words.length && own === "" && band === "") { found = null; return; }
  if (words.length && !texts) { texts = rows.map(function (r) { return fold(r.textContent); }); }
  found = rows.map(function (_, i) {
    return (own === "" || data.own[i] === +own) && (band === "" || data.band[i] === +band) &&
      words.every(function (w) { return texts[i].indexOf(w) >= 0; });
  });
}
function paint() {
  var hits = 0;
  order.forEach(function (i) {
    var hit = !found || found[i];
    if (hit) { hits += 1; }
    rows[i].classList.toggle("off", !hit || hits > limit);
    rows[i].classList.toggle("out", !hit);
  });
  $("more").hidden = hits <= limit;
  $("count").textContent = data.count.replace("{shown}", say(hits)).replace("{all}", say(rows.length));
}
var timer = 0;
function search() { clearTimeout(timer); timer = setTimeout(function () { whole().then(function () { limit = 200; match(); paint(); }); }, 80); }
["find", "own", "band"].forEach(function (id) { $(id).addEventListener("input", search); });
$("more").addEventListener("click", function () { limit += 400; paint(); });
document.querySelectorAll("#all thead button").forEach(function (button) {
  button.addEventListener("click", function () {
    whole().then(function () {
    var th = button.closest("th"), keys = data.keys[+button.dataset.sort];
    var down = th.getAttribute("aria-sort") === "ascending", sign = down ? -1 : 1;
    document.querySelectorAll("#all th[aria-sort]").forEach(function (o) { o.removeAttribute("aria-sort"); });
    th.setAttribute("aria-sort", down ? "descending" : "ascending");
    order.sort(function (a, b) { return sign * (keys[a] - keys[b]) || a - b; });
    body.replaceChildren.apply(body, order.map(function (i) { return rows[i]; }));
    paint();
    });
  });
});

/* what if */
var plan = $("plan");
if (plan) {
  plan.addEventListener("input", function () {
    $("plan-calls").textContent = data.plan[+plan.value][0];
    $("plan-says").innerText = new DOMParser().parseFromString(data.plan[+plan.value][1], "text/html").body.textContent;
  });
}

/* answer back: a command to run or a mail to send; the file itself sends nothing */
function quote(s) { return "'" + s.replace(/[\u0000-\u001f\u007f]+/g, " ").replace(/'/g, "'\\''") + "'"; }
function compose() {
  var lead = document.querySelector("#slot article");
  if (!lead) { return; }
  var command = "leadscore feedback " + quote(data.project) + " " + quote(lead.dataset.id) + " " + $("verdict").value + " --because " + quote($("because").value);
  $("command").value = command;
  $("mail").href = "mailto:" + encodeURIComponent(data.mail) + "?subject=" + encodeURIComponent(data.subject.replace("{lead}", lead.dataset.name)) + "&body=" + encodeURIComponent($("because").value + "\n\n" + command);
}
["verdict", "because"].forEach(function (id) { $(id).addEventListener("input", compose); });
$("answer").addEventListener("submit", function (event) { event.preventDefault(); });
$("copy").addEventListener("click", function () {
  $("command").select();
  var done = function () { var was = $("copy").textContent; $("copy").textContent = $("copy").dataset.done; setTimeout(function () { $("copy").textContent = was; }, 1500); };
  if (navigator.clipboard && isSecureContext) { navigator.clipboard.writeText($("command").value).then(done, function () {}); } else if (document.execCommand("copy")) { done(); }
});

/* light and dark */
$("theme").addEventListener("click", function () {
  var dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
go();
})();
