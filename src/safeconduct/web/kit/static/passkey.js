// Web Authentication Level 3: the browser is asked, and what it says goes into the form.
const form = document.getElementById("passkey-form");
const problem = document.getElementById("passkey-problem");
const able = window.PublicKeyCredential && PublicKeyCredential.parseRequestOptionsFromJSON;

async function ask(options) {
  if (form.dataset.create !== undefined) {
    return navigator.credentials.create({
      publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options),
    });
  }
  return navigator.credentials.get({
    publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options),
  });
}

async function answer(event) {
  event.preventDefault();
  problem.hidden = true;
  try {
    const given = await ask(JSON.parse(form.dataset.options));
    form.elements.answer.value = JSON.stringify(given.toJSON());
    form.submit();
  } catch {
    problem.hidden = false; // refused by the person, or nothing there: the browser does not say
  }
}

if (form && able) {
  form.hidden = false;
  form.addEventListener("submit", answer);
} else if (document.getElementById("passkey-unable")) {
  document.getElementById("passkey-unable").hidden = false;
}
