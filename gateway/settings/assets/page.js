// What every page has: times in the reader's own zone, and buttons that copy what stands beside them.
const zone = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

function dress(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    time.title = time.textContent;
    time.textContent = zone.format(new Date(time.dateTime));
  }
  for (const button of root.querySelectorAll("button[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const field = document.getElementById(button.dataset.copy);
      try {
        await navigator.clipboard.writeText(field.value);
        button.textContent = "Copied";
      } catch {
        field.select(); // the clipboard is closed to us: his own copy command takes it from here
        button.textContent = "Selected: copy it now";
      }
    });
  }
  // A form that was sent is not sent again by a second press.
  for (const form of root.querySelectorAll("form[method=post]")) {
    form.addEventListener("submit", event => {
      if (form.dataset.sent) {
        event.preventDefault();
      }
      form.dataset.sent = "yes";
      const button = event.submitter;
      if (button?.dataset.busy) {
        button.textContent = button.dataset.busy;
      }
    });
  }
}

dress(document);
// What a module put into the page is told to all of them.
document.addEventListener("dress", event => dress(event.detail));

// Back from the next page, the browser shows this one as it was left.
addEventListener("pageshow", event => {
  if (event.persisted) {
    location.reload();
  }
});
