// Reads the chosen file into the list's field, which is what is sent.
const MAX = 1024 * 1024;
const field = document.getElementById("csv");
const said = document.getElementById("file-said");

function decode(bytes) {
  try {
    return [new TextDecoder("utf-8", { fatal: true }).decode(bytes), ""];
  } catch {
    return [new TextDecoder("windows-1252").decode(bytes), " Look at letters with accents and at signs of currencies: this file was saved in an old format."];
  }
}

async function take(file) {
  if (file.size > MAX) {
    return "This file is larger than 1 MB. Make two lists of it.";
  }
  const [text, warning] = decode(await file.arrayBuffer());
  if (text.includes("\0")) {
    return "This file is not a CSV list. In your spreadsheet, choose Save as or Download, and the format CSV.";
  }
  field.value = text;
  return `${file.name} is in the field below.${warning}`;
}

document.getElementById("file").addEventListener("change", async event => {
  const [file] = event.target.files;
  if (file) {
    said.textContent = await take(file);
  }
});
document.getElementById("file-line").hidden = false;
