/* What so many calls are expected to bring, in words: for the slider of the file and of the live page. */
function planWords(data) {
  var language = document.documentElement.lang;
  var numbers = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });
  var tenths = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
  function money(x) { return new Intl.NumberFormat(language, { style: "currency", currency: data.currency, maximumFractionDigits: 0 }).format(x); }
  function fill(text, values) { return text.replace(/\{(\w+)\}/g, function (_, name) { return values[name]; }); }
  function between(points, calls, k) {
    for (var i = 0; i < points.length; i++) {
      if (points[i][0] >= calls) {
        if (i === 0 || points[i][0] === calls) { return points[i][k]; }
        var a = points[i - 1], b = points[i], share = (calls - a[0]) / (b[0] - a[0]);
        return a[k] === null ? null : a[k] + share * (b[k] - a[k]);
      }
    }
    return points[points.length - 1][k];
  }
  return function (rank, calls, cutOff) {
    var points = data.plans[rank] && data.plans[rank].length ? data.plans[rank] : data.plans.chance;
    var at = function (k) { return between(points, calls, k); };
    var says = [fill(data.expected, { expected: (at(1) >= 10 ? numbers : tenths).format(at(1)), low: numbers.format(at(2)), high: numbers.format(at(3)) })];
    if (cutOff !== null) { says.push(fill(data.cutoff, { score: numbers.format(cutOff) })); }
    if (at(5) !== null) { says.push(fill(data.worth, { amount: money(at(5)), low: money(at(6)), high: money(at(7)) })); }
    if (at(4) !== null) { says.push(fill(data.profit, { amount: money(at(4)) })); }
    return says.join(" ");
  };
}
