/* Pages by anchor, the list with its filters, full lead pages inflated on demand, the answer form.
   Everything from a CRM is text or already escaped by the templates; nothing is ever evaluated. */
(function () {
"use strict";
var root = document.documentElement, data = JSON.parse(document.getElementById("data").textContent);
var $ = function (id) { return document.getElementById(id); };
var numbers = new Intl.NumberFormat(root.lang, { maximumFractionDigits: 0 });
function fill(text, values) { return text.replace(/\{(\w+)\}/g, function (_, name) { return values[name]; }); }
root.classList.remove("nojs"); root.classList.add("js");
history.scrollRestoration = "manual";

/* what is compressed in the file */
var inflated = {};
function inflate(id) {
  if (!inflated[id]) {
    var bytes = Uint8Array.from(atob($(id).textContent), function (c) { return c.charCodeAt(0); });
    inflated[id] = new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).text();
  }
  return inflated[id];
}
function parsed(id) { return inflate(id).then(function (html) { return new DOMParser().parseFromString(html, "text/html"); }); }

/* the address: #page?key=value; what is searched for stands in no address */
function address() {
  var at = location.hash.slice(1), cut = at.indexOf("?"), page = cut < 0 ? at : at.slice(0, cut);
  try { page = decodeURIComponent(page); } catch (error) { page = ""; }
  return { page: page, query: new URLSearchParams(cut < 0 ? "" : at.slice(cut + 1)) };
}
function remember(more) { history.replaceState(Object.assign({}, history.state, more), ""); }

/* pages */
var placeOf = {}, pages = Array.from(document.querySelectorAll(".page"));
data.anchors.forEach(function (a, i) { placeOf[a] = i; });
function show(id, at) {
  pages.forEach(function (p) { p.classList.toggle("on", p.id === id); });
  $("lead").hidden = id !== "lead";
  root.dataset.at = id;
  document.querySelectorAll("nav a").forEach(function (a) {
    if (a.getAttribute("href") === "#" + at) {
      a.setAttribute("aria-current", "page");
      var list = a.closest("ul");
      list.scrollLeft += a.getBoundingClientRect().left - list.getBoundingClientRect().left - (list.clientWidth - a.offsetWidth) / 2;
    } else { a.removeAttribute("aria-current"); }
  });
}
var landing = false, listAt = "#today";
function land(y) { scrollTo(0, y); requestAnimationFrame(function () { scrollTo(0, y); landing = false; }); }
var shownLead = null, byLink = false;
function go() {
  var where = address(), at = where.page || "today", y = (history.state && history.state.y) || 0;
  landing = true;
  if (at === "main") { $("main").focus(); return; }
  if (at in placeOf) {
    parsed("c" + Math.floor(placeOf[at] / data.chunk)).then(function (doc) {
      if (address().page !== at) { return; }
      var page = document.importNode(doc.getElementById(at), true);
      $("slot").replaceChildren(page);
      shownLead = at;
      show("lead", "today");
      neighbours();
      land(y);
      page.querySelector("h1").focus({ preventScroll: true });
      compose();
    });
    return;
  }
  shownLead = null;
  var page = $(at);
  if (!page || !page.classList.contains("page") || at === "lead") { at = "today"; }
  show(at, at);
  if (at === "today") { listAt = location.hash || "#today"; read(where.query); paint().then(function () { land(y); }); } else { land(y); }
}
addEventListener("hashchange", go);
document.addEventListener("click", function (event) {
  var link = event.target.closest("a[href^='#']");
  if (link) { remember({ y: scrollY }); byLink = root.dataset.at === "today" && link.classList.contains("to"); }
}, true);
var resting = 0;
addEventListener("scroll", function () { clearTimeout(resting); resting = setTimeout(function () { if (!landing) { remember({ y: scrollY }); } }, 120); }, { passive: true });

/* the list */
var body = document.querySelector("#all tbody"), PAGE = 25, rows = {};
Array.from(body.rows).forEach(function (row) { rows[row.dataset.i] = row; });
var state = { rank: "chance", calls: data.capacity, page: 1, facets: {}, words: "" };
var ranks = Array.from($("rank").options).map(function (o) { return o.value; });
var facets = Array.from(document.querySelectorAll("[data-facet]"));
function read(query) {
  var rank = query.get("rank"), calls = parseInt(query.get("calls"), 10), page = parseInt(query.get("p"), 10);
  state.rank = ranks.indexOf(rank) >= 0 ? rank : "chance";
  state.calls = calls > 0 ? calls : data.capacity;
  state.page = page > 0 ? page : 1;
  state.facets = {};
  facets.forEach(function (select) {
    var name = select.dataset.facet, value = query.get(name), known = data.facets[name].values.indexOf(value);
    if (known >= 0) { state.facets[name] = known; }
    select.value = known >= 0 ? value : "";
  });
  state.words = (history.state && history.state.words) || "";
  $("rank").value = state.rank; $("find").value = state.words;
  if ($("plan")) { $("plan").value = state.calls; }
}
function write() {
  var query = new URLSearchParams();
  if (state.rank !== "chance") { query.set("rank", state.rank); }
  if (state.calls !== data.capacity) { query.set("calls", state.calls); }
  Object.keys(state.facets).forEach(function (name) { query.set(name, data.facets[name].values[state.facets[name]]); });
  if (state.page > 1) { query.set("p", state.page); }
  var text = query.toString().replace(/\+/g, "%20");
  history.replaceState(Object.assign({}, history.state, { words: state.words }), "", "#today" + (text ? "?" + text : ""));
  listAt = location.hash;
}
function fold(s) { return s.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase(); }
var index = null;
function searchable() {
  if (index) { return Promise.resolve(); }
  return inflate("words").then(function (text) {
    index = text.split("\n").map(function (line) {
      var whole = fold(line).split(/\s+/).filter(Boolean), parts = fold(line).split(/[^\p{L}\p{N}]+/u).filter(Boolean);
      return Array.from(new Set(whole.concat(parts)));
    });
  });
}
/* 0: every word searched for is a whole word of the lead; 1: the beginning of one; -1: not found */
function rankOf(i, words) {
  var worst = 0;
  for (var k = 0; k < words.length; k++) {
    var exact = index[i].indexOf(words[k]) >= 0;
    if (!exact && !index[i].some(function (own) { return own.indexOf(words[k]) === 0; })) { return -1; }
    if (!exact) { worst = 1; }
  }
  return worst;
}
function fits(i) {
  return Object.keys(state.facets).every(function (name) { return data.facets[name].of[i].indexOf(state.facets[name]) >= 0; });
}
function hits() {
  var words = fold(state.words).split(/\s+/).filter(Boolean), order = data.orders[state.rank];
  if (!words.length) { return Promise.resolve(order.filter(function (i) { return !data.out[i] && fits(i); })); }
  return searchable().then(function () {
    var found = [[], []];
    order.forEach(function (i) { var rank = fits(i) ? rankOf(i, words) : -1; if (rank >= 0) { found[rank].push(i); } });
    return found[0].concat(found[1]);
  });
}
function fetchRows(wanted) {
  var chunks = new Set(wanted.filter(function (i) { return !rows[i]; }).map(function (i) { return Math.floor(i / data.rows); }));
  return Promise.all(Array.from(chunks).map(function (c) {
    return parsed("r" + c).then(function (doc) {
      doc.querySelectorAll("tr").forEach(function (row) { if (!rows[row.dataset.i]) { rows[row.dataset.i] = document.adoptNode(row); } });
    });
  }));
}
var current = [], painting = 0;
function paint() {
  var turn = ++painting;
  return hits().then(function (found) {
    if (turn !== painting) { return null; }
    current = found;
    var last = Math.max(1, Math.ceil(found.length / PAGE));
    state.page = Math.min(state.page, last);
    var first = (state.page - 1) * PAGE, wanted = found.slice(first, first + PAGE);
    return fetchRows(wanted).then(function () {
      if (turn !== painting) { return; }
      place(wanted);
      $("count").textContent = fill(data.count, { shown: numbers.format(found.length), all: numbers.format(data.out.length) });
      $("at").textContent = found.length ? fill(data.at, { first: numbers.format(first + 1), last: numbers.format(first + wanted.length), all: numbers.format(found.length) }) : "";
      $("before").hidden = state.page <= 1; $("after").hidden = state.page >= last;
      $("clear").hidden = !state.words && !Object.keys(state.facets).length;
      tell();
    });
  });
}
/* the line of the capacity: the first so many leads of the order, whatever is filtered out */
function place(wanted) {
  var inside = new Set(data.orders[state.rank].filter(function (i) { return !data.out[i]; }).slice(0, state.calls));
  var shown = [], cut = false;
  wanted.forEach(function (i, k) {
    if (!cut && state.calls && !inside.has(i) && !state.words && k > 0) {
      var line = document.createElement("tr"), cell = line.insertCell();
      line.className = "cut-line"; cell.colSpan = 6;
      cell.textContent = fill(data.cut, { n: numbers.format(state.calls) });
      shown.push(line); cut = true;
    }
    rows[i].classList.toggle("beyond", state.calls > 0 && !inside.has(i));
    shown.push(rows[i]);
  });
  body.replaceChildren.apply(body, shown);
}
var plan = $("plan"), worth = planWords(data);
function tell() {
  if (!plan) { return; }
  var calls = Math.min(state.calls, +plan.max), last = null;
  if (state.rank === "chance") {
    var told = data.orders.chance.slice(0, calls).map(function (i) { return data.scores[i]; }).filter(function (s) { return s !== null; });
    if (told.length) { last = told[told.length - 1]; }
  }
  $("plan-calls").textContent = numbers.format(calls);
  $("plan-says").textContent = worth(state.rank, calls, last);
}
var timer = 0;
function changed(page) { state.page = page || 1; write(); return paint(); }
$("find").addEventListener("input", function () { state.words = $("find").value; clearTimeout(timer); timer = setTimeout(changed, 80); });
$("rank").addEventListener("change", function () { state.rank = $("rank").value; changed(); });
facets.forEach(function (select) {
  select.addEventListener("change", function () {
    var known = data.facets[select.dataset.facet].values.indexOf(select.value);
    if (known >= 0) { state.facets[select.dataset.facet] = known; } else { delete state.facets[select.dataset.facet]; }
    changed();
  });
});
$("tools").addEventListener("submit", function (event) { event.preventDefault(); });
$("tools").addEventListener("reset", function (event) {
  event.preventDefault(); state.words = ""; state.facets = {}; write(); read(address().query); changed();
});
if (plan) { plan.addEventListener("input", function () { state.calls = +plan.value; write(); paint(); }); }
function turn(by) { changed(state.page + by).then(function () { $("h-list").scrollIntoView(); }); }
$("before").addEventListener("click", function () { turn(-1); });
$("after").addEventListener("click", function () { turn(1); });
function unfiltered() { return !state.words && !Object.keys(state.facets).length && state.rank === "chance"; }
addEventListener("beforeprint", function () {
  if (unfiltered()) { place(current.slice(0, data.printed).filter(function (i) { return rows[i]; })); }
});
addEventListener("afterprint", function () { paint(); });

/* from lead to lead, in the order of the list */
var anchorAt = {};
data.places.forEach(function (place, i) { anchorAt[place] = data.anchors[i]; });
function neighbours() {
  var walk = (current.length ? current : data.orders.chance).filter(function (i) { return i in anchorAt; });
  var here = walk.indexOf(data.places[placeOf[shownLead]]);
  [["previous", here - 1], ["next", here < 0 ? 0 : here + 1]].forEach(function (each) {
    var link = $(each[0]), to = walk[each[1]];
    link.hidden = to === undefined;
    if (to !== undefined) { link.href = "#" + encodeURIComponent(anchorAt[to]); }
  });
}
document.addEventListener("keydown", function (event) {
  if (!shownLead || event.ctrlKey || event.metaKey || event.altKey || /^(input|select|textarea)$/i.test(event.target.tagName)) { return; }
  var link = event.key === "j" || event.key === "J" ? $("next") : event.key === "k" || event.key === "K" ? $("previous") : null;
  if (link && !link.hidden) { link.click(); }
});
$("back-to-list").addEventListener("click", function (event) {
  event.preventDefault();
  if (byLink) { history.back(); } else { location.hash = listAt; }
});

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

/* light and dark, kept for the next visit where the browser lets a file keep anything */
var KEPT = "leadscore-theme";
try { var kept = localStorage.getItem(KEPT); if (kept === "dark" || kept === "light") { root.dataset.theme = kept; } } catch (error) { /* not allowed here */ }
$("theme").addEventListener("click", function () {
  var dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try { localStorage.setItem(KEPT, root.dataset.theme); } catch (error) { /* not allowed here */ }
});
go();
})();
