// OpenID Connect Front-Channel Logout: go on as soon as every frame has loaded, and wait for none
// longer than a page without scripts does.
(function () {
  var onward = document.getElementById("left-onward");
  var gone = onward === null;
  function go() {
    if (!gone) {
      gone = true;
      location.replace(onward.href);
    }
  }
  window.addEventListener("load", go);
  setTimeout(go, 5000);
})();
