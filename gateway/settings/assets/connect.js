// The forms into which keys are pasted: a value in the wrong box is named and can be moved, secrets can be looked at, and
// what was pasted stays here while the provider is asked, so that after a refusal it need not be pasted again.
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

// What is surely wrong is said before anything is sent.
function firstFault(form) {
  const inputs = [...form.querySelectorAll("input[data-wants]")];
  for (const input of inputs) {
    look(input);
    if (input.value.trim() === "" && input.hasAttribute("aria-required")) {
      say(input, word("wanted", "nothing"));
    }
  }
  return inputs.find(input => input.hasAttribute("aria-invalid"));
}

const main = document.getElementById("main");
const mainOf = html => new DOMParser().parseFromString(html, "text/html").querySelector("main");

// Shows the answer so far, whose lines are one for each check, and returns its list. The last line may have come by half.
function grow(html, list) {
  const now = mainOf(html), checks = now?.querySelector(".checks");
  if (!checks) {
    return null;
  }
  if (!list) {
    main.replaceChildren(...now.childNodes);
    return checks;
  }
  [...checks.children].forEach((line, i) => {
    if (i === list.children.length) {
      list.append(line);
    } else if (!line.isEqualNode(list.children[i])) {
      list.children[i].replaceWith(line);
    }
  });
  return list;
}

// The whole of it. Where it holds a form again, what was typed is in it.
function show(now, typed) {
  main.replaceChildren(...now.childNodes);
  for (const [name, value] of typed) {
    const input = main.querySelector(`input[data-wants][name="${name}"]`);
    if (input) {
      input.value = value;
    }
  }
  for (const said of main.querySelectorAll("[data-kept]")) {
    said.textContent = said.dataset.kept;
  }
  document.dispatchEvent(new CustomEvent("dress", { detail: main }));
}

// Nothing that could be shown in place of the form.
function setBack(before, title, text) {
  const heading = document.createElement("h2"), note = document.createElement("div"), said = document.createElement("p");
  heading.id = "outcome";
  heading.tabIndex = -1;
  heading.textContent = title;
  note.className = "note bad";
  said.textContent = text;
  note.append(said);
  main.replaceChildren(...before);
  main.querySelectorAll("#outcome, #outcome + .note").forEach(old => old.remove());
  main.querySelector("h1").after(heading, note);
  heading.focus();
}

async function ask(form) {
  const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let html = "", list = null;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    html += part.value;
    if (answer.ok) {
      list = grow(html, list);
    }
  }
  if (!html.includes("</main>")) {
    throw new Error("the answer ended too early");
  }
  return { ok: answer.ok, now: mainOf(html) };
}

async function send(form, button) {
  const before = [...main.childNodes], label = button.textContent;
  const typed = [...form.querySelectorAll("input[data-wants]")].map(input => [input.name, input.value]);
  button.textContent = button.dataset.busy;
  button.disabled = true;
  try {
    const { ok, now } = await ask(form);
    if (ok) {
      show(now, typed);
      return;
    }
    setBack(before, now.querySelector("h1").textContent, now.querySelector("p").textContent);
  } catch {
    main.replaceChildren(...before);
    setBack(before, word("unheard", "title"), word("unheard", "text"));
  }
  button.textContent = label;
  button.disabled = false;
}

function dress(root) {
  for (const input of root.querySelectorAll("input[data-wants]")) {
    input.addEventListener("change", () => look(input));
    input.addEventListener("paste", () => setTimeout(() => look(input)));
    input.addEventListener("input", () => input.hasAttribute("aria-invalid") && look(input));
  }
  for (const button of root.querySelectorAll("button[data-show]")) {
    const input = document.getElementById(button.dataset.show);
    button.hidden = false;
    button.addEventListener("click", () => {
      const shown = input.type === "password";
      input.type = shown ? "text" : "password";
      button.textContent = shown ? "Hide" : "Show";
      button.setAttribute("aria-label", `${button.textContent} ${input.dataset.label}`);
    });
  }
  for (const form of root.querySelectorAll("form:has(input[data-wants])")) {
    form.addEventListener("submit", event => {
      const first = firstFault(form);
      event.preventDefault();
      event.stopImmediatePropagation();
      if (first) {
        first.focus();
      } else {
        send(form, event.submitter);
      }
    }, { capture: true });
  }
  // What came of it, or what is wrong, is where reading goes on.
  root.querySelector("#outcome")?.focus();
}

dress(document);
document.addEventListener("dress", event => dress(event.detail));
