// OpenID Connect Session Management 1.0 §4.1. Old words and a digest of its own, because the frames
// of many apps are old, and SubtleCrypto is not there for all of them.
(function () {
  var K = [], primes = 0, n;
  var H0 = [];

  function root(value, power) {
    return (Math.pow(value, 1 / power) % 1) * 4294967296 | 0;
  }

  for (n = 2; primes < 64; n += 1) {
    for (var d = 2; d * d <= n && n % d !== 0; d += 1);
    if (d * d > n) {
      if (primes < 8) H0.push(root(n, 2));
      K.push(root(n, 3));
      primes += 1;
    }
  }

  function rotate(x, by) {
    return (x >>> by) | (x << (32 - by));
  }

  // FIPS 180-4 §6.2, over ASCII
  function sha256(text) {
    var bytes = [], i;
    for (i = 0; i < text.length; i += 1) bytes.push(text.charCodeAt(i) & 255);
    var bits = bytes.length * 8;
    bytes.push(128);
    while (bytes.length % 64 !== 56) bytes.push(0);
    for (i = 7; i >= 0; i -= 1) bytes.push(i > 3 ? 0 : (bits >>> (i * 8)) & 255);
    var h = H0.slice();
    for (var at = 0; at < bytes.length; at += 64) {
      var w = [];
      for (i = 0; i < 16; i += 1) {
        var b = at + i * 4;
        w.push((bytes[b] << 24) | (bytes[b + 1] << 16) | (bytes[b + 2] << 8) | bytes[b + 3]);
      }
      for (i = 16; i < 64; i += 1) {
        var s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ (w[i - 15] >>> 3);
        var s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ (w[i - 2] >>> 10);
        w.push((w[i - 16] + s0 + w[i - 7] + s1) | 0);
      }
      var v = h.slice();
      for (i = 0; i < 64; i += 1) {
        var e1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
        var choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
        var t1 = (v[7] + e1 + choice + K[i] + w[i]) | 0;
        var a0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
        var most = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
        v = [(t1 + a0 + most) | 0, v[0], v[1], v[2], (v[3] + t1) | 0, v[4], v[5], v[6]];
      }
      for (i = 0; i < 8; i += 1) h[i] = (h[i] + v[i]) | 0;
    }
    var out = "";
    for (i = 0; i < 32; i += 1) out += String.fromCharCode((h[i >> 2] >>> (24 - (i % 4) * 8)) & 255);
    return btoa(out).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  }

  function state() {
    var wanted = document.documentElement.getAttribute("data-cookie") + "=";
    var all = document.cookie.split("; ");
    for (var i = 0; i < all.length; i += 1) {
      if (all[i].indexOf(wanted) === 0) return all[i].slice(wanted.length);
    }
    return "";
  }

  function judge(message, origin) {
    if (typeof message !== "string" || message.length > 4096) return "error";
    var space = message.lastIndexOf(" ");
    var told = message.slice(space + 1).split(".");
    if (space < 1 || told.length !== 2 || !told[0] || !told[1]) return "error";
    var text = [message.slice(0, space), origin, state(), told[1]].join(" ");
    return sha256(text) === told[0] ? "unchanged" : "changed";
  }

  // §4.2: the answer goes to exactly who asked
  window.addEventListener("message", function (event) {
    if (!event.source || !event.origin || event.origin === "null") return;
    event.source.postMessage(judge(event.data, event.origin), event.origin);
  });
})();
