// Comfort only: every page works without this file.
"use strict";

function showCopyButtons(root) {
  if (!navigator.clipboard) return;
  for (const button of root.querySelectorAll("[data-copy][hidden]")) button.hidden = false;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = button.closest(".fingerprint, .command-line").querySelector("[data-copy-text]");
  try {
    await navigator.clipboard.writeText(source.dataset.copyText);
    button.classList.add("is-copied");
    setTimeout(() => button.classList.remove("is-copied"), 1500);
  } catch (refused) {
    getSelection().selectAllChildren(source);
  }
});

// An open menu closes on Escape and on a click elsewhere.
function closeMenus(except) {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (menu !== except) menu.open = false;
}
document.addEventListener("click", (event) => closeMenus(event.target.closest("details.menu")));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") closeMenus(null);
});

// Files beyond the limits are told before they are sent; the server refuses them too.
function tooLarge(input) {
  const most = Number(input.dataset.maxKb), files = [...input.files];
  const large = files.find((file) => file.size > most * 1024);
  if (large) return `${large.name} has ${Math.ceil(large.size / 1024)} KB; a file may have ${most} KB.`;
  const count = Number(input.dataset.maxFiles);
  return files.length > count ? `These are ${files.length} files; ${count} can be uploaded at once.` : "";
}
document.addEventListener("change", (event) => {
  const input = event.target.closest("input[type=file][data-max-kb]");
  if (!input) return;
  const told = input.parentElement.querySelector("[data-too-large]") || document.createElement("p");
  Object.assign(told, { className: "field-error", role: "alert", textContent: tooLarge(input) });
  told.dataset.tooLarge = "";
  input.after(told);
});
document.addEventListener("submit", (event) => {
  const input = event.target.querySelector("input[type=file][data-max-kb]");
  if (!input || !tooLarge(input)) return;
  event.preventDefault();
  input.focus();
});

// What answers a form and is kept nowhere cannot be shown again: Back then leads to the empty form.
document.addEventListener("DOMContentLoaded", () => {
  if (document.querySelector("[data-once]")) history.replaceState(null, "", location.href);
});

// Files dropped on a drop zone become the file field's choice.
function dropZones(root) {
  for (const zone of root.querySelectorAll("[data-drop]")) {
    const input = zone.querySelector("input[type=file]");
    const over = (event) => { event.preventDefault(); zone.classList.add("is-over"); };
    zone.addEventListener("dragenter", over);
    zone.addEventListener("dragover", over);
    zone.addEventListener("dragleave", () => zone.classList.remove("is-over"));
    zone.addEventListener("drop", (event) => {
      event.preventDefault();
      zone.classList.remove("is-over");
      input.files = event.dataTransfer.files;
      input.dispatchEvent(new Event("change", { bubbles: true }));
    });
  }
}

document.addEventListener("DOMContentLoaded", () => { showCopyButtons(document); dropZones(document); });
document.addEventListener("htmx:afterSwap", () => showCopyButtons(document));
