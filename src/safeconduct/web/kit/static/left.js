// OpenID Connect Front-Channel Logout: go on as soon as every frame has loaded. Without scripts the
// page goes on by itself after a few seconds.
window.addEventListener("load", function () {
  var onward = document.getElementById("left-onward");
  if (onward !== null) {
    location.replace(onward.href);
  }
});
