// Changes a settings link's token for a session. The token is in the address's fragment, which no server sees; it
// leaves the address bar before anything else happens.
const token = location.hash.slice(1);
history.replaceState(null, "", location.pathname);

const show = id => {
  for (const other of ["opening", "spent", "failed", "other", "bare"]) {
    document.getElementById(other).hidden = other !== id;
  }
};

async function open(more) {
  show("opening");
  try {
    const answer = await fetch("open", { method: "POST", body: new URLSearchParams({ token, ...more }) });
    const shops = answer.ok ? await answer.json() : {};
    if (shops.opened) {
      location.replace("./");
    } else if (answer.ok) {
      document.getElementById("here").textContent = shops.here;
      document.getElementById("there").textContent = shops.there;
      show("other");
    } else {
      show(answer.status === 410 ? "spent" : "failed");
    }
  } catch {
    show("failed");
  }
}

document.getElementById("again").addEventListener("click", () => open());
document.getElementById("instead").addEventListener("click", () => open({ instead: "yes" }));
if (token === "") {
  show("bare");
} else {
  open();
}
