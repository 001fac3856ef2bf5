// The forms into which keys are pasted: a value in the wrong box is named and can be moved, secrets can be looked at.
// The server says the same in the same words (paste.c, connect_form.c); they stand in #words.
const word = (what, kind) => document.querySelector(`#words [data-${what}=${kind}]`)?.textContent ?? "";

function kindOf(value) {
  const digits = value.replace(/\D/g, "").length;
  if (value === "") return "nothing";
  if (/^EAA.{17,}$/.test(value)) return "token";
  if (/^[0-9a-f]{32}$/i.test(value)) return "secret";
  if (/^\d+$/.test(value)) return "id";
  if (digits >= 7 && /^[\d+ \-()./]+$/.test(value)) return "phone";
  return "other";
}

function misplaced(wants, kind) {
  if (["nothing", "other", wants].includes(kind)) return false;
  return wants !== "other" || kind === "token" || kind === "phone";
}

// The one field for this kind of value: an ID may belong into several.
const homeOf = (form, kind) => ["token", "secret"].includes(kind) ? form.querySelector(`[data-wants=${kind}]`) : null;

function say(input, ...parts) {
  document.getElementById(`${input.id}-error`).replaceChildren(...parts);
  input.toggleAttribute("aria-invalid", false);
  if (parts.length > 0) {
    input.setAttribute("aria-invalid", "true");
  }
}

function mover(input, home) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet";
  button.textContent = "Move it there";
  button.addEventListener("click", () => {
    home.value = input.value.trim();
    input.value = "";
    say(input, `Moved to “${home.dataset.label}”. ${word("wanted", input.dataset.wants)}`);
    look(home);
    input.focus();
  });
  return button;
}

function look(input) {
  const wants = input.dataset.wants, kind = kindOf(input.value.trim());
  if (wants === "id" && kind === "other") {
    say(input, word("wanted", "id"));
  } else if (!misplaced(wants, kind)) {
    say(input);
  } else {
    const home = homeOf(input.form, kind);
    if (home) {
      say(input, `${word("looks", kind)} It belongs into the field “${home.dataset.label}”. `, mover(input, home));
    } else {
      say(input, `${word("looks", kind)} ${word("wanted", wants)}`);
    }
  }
}

for (const input of document.querySelectorAll("input[data-wants]")) {
  input.addEventListener("change", () => look(input));
  input.addEventListener("paste", () => setTimeout(() => look(input)));
  input.addEventListener("input", () => input.hasAttribute("aria-invalid") && look(input));
}

for (const button of document.querySelectorAll("button[data-show]")) {
  const input = document.getElementById(button.dataset.show);
  button.hidden = false;
  button.addEventListener("click", () => {
    const shown = input.type === "password";
    input.type = shown ? "text" : "password";
    button.textContent = shown ? "Hide" : "Show";
    button.setAttribute("aria-label", `${button.textContent} ${input.dataset.label}`);
  });
}

// What is surely wrong is said before anything is sent: the server forgets secrets, and Meta shows a token once.
for (const form of document.querySelectorAll("form:has(input[data-wants])")) {
  form.addEventListener("submit", event => {
    const inputs = [...form.querySelectorAll("input[data-wants]")];
    for (const input of inputs) {
      look(input);
      if (input.value.trim() === "" && input.hasAttribute("aria-required")) {
        say(input, word("wanted", "nothing"));
      }
    }
    const first = inputs.find(input => input.hasAttribute("aria-invalid"));
    if (first) {
      event.preventDefault();
      event.stopImmediatePropagation();
      first.focus();
    }
  }, { capture: true });
}

// What came of it, or what is wrong, is where reading goes on.
document.getElementById("outcome")?.focus();
