// Lines that wait for a provider's first call: asked every few seconds, and not for ever.
const EVERY_MS = 3000, FOR_MS = 10 * 60 * 1000;

async function came({ connection, since }) {
  const answer = await fetch(`waiting?${new URLSearchParams({ connection, since })}`);
  return answer.ok && (await answer.json()).webhook === "ok";
}

function begin(line) {
  const until = Date.now() + FOR_MS;

  async function look() {
    if (await came(line.dataset).catch(() => false)) {
      line.textContent = line.dataset.ok;
      line.classList.add("came");
    } else if (Date.now() < until) {
      setTimeout(look, EVERY_MS);
    } else {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "quiet";
      button.textContent = "Go on waiting";
      button.addEventListener("click", () => begin(line));
      line.replaceChildren("Nothing came in ten minutes. ", button);
    }
  }

  line.textContent = line.dataset.waiting;
  look();
}

document.querySelectorAll(".waiting").forEach(begin);
document.addEventListener("dress", event => event.detail.querySelectorAll(".waiting").forEach(begin));
