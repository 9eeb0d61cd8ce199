// Puts the usual address of a kind of database in place of another kind's, as long as nobody has typed one.
"use strict";

(function () {
  const form = document.querySelector("form.database");
  if (!form || !form.elements.url) return;
  const url = form.elements.url;
  const choices = Array.from(form.querySelectorAll("[data-address]"));
  form.addEventListener("change", function (e) {
    const own = e.target.dataset;
    if (own.address === undefined || url.disabled) return;
    if (url.value === "" || choices.some((c) => c.dataset.address === url.value)) url.value = own.address;
    url.placeholder = own.example;
  });
})();
