/*
 * whatsapp-api-js, whose documented way to go elsewhere is a fetch of one's own: it has Meta's host in its addresses.
 */
import { WhatsAppAPI } from "whatsapp-api-js";
import { Document, Image, Reaction, Template, Text } from "whatsapp-api-js/messages";

import { base, customer, expect, expect_here, file, number, picture, sent, sha256, token, version, written } from "./common.mjs";

const META = "https://graph.facebook.com/";

function client(as) {
	return new WhatsAppAPI({
		token: as,
		secure: false,
		v: version,
		ponyfill: { fetch: (url, init) => fetch(String(url).startsWith(META) ? base + "/" + String(url).slice(META.length) : url, init) },
	});
}

const api = client(token);

async function upload(bytes, type, name) {
	const form = new FormData();
	form.set("file", new Blob([bytes], { type }), name);
	const answer = await api.uploadMedia(number, form);
	expect(`uploaded ${name}`, /^[0-9]+$/.test(answer.id), answer);
	return answer.id;
}

const to = { phone: customer };
sent("a text", await api.sendMessage(number, to, new Text("Hello from whatsapp-api-js")));
sent("a reply", await api.sendMessage(number, to, new Text("A reply"), written));
sent("a text with data of its own", await api.sendMessage(number, to, new Text("Mine"), undefined, "my data"));
sent("a reaction", await api.sendMessage(number, to, new Reaction(written, "\u{1f44d}")));
sent("a template", await api.sendMessage(number, to, new Template("hello_world", "en_US")));

const image = await upload(picture, "image/png", "picture.png");
sent("an image by its id", await api.sendMessage(number, to, new Image(image, true, "By id")));
sent("an image by a link", await api.sendMessage(number, to, new Image("https://example.com/picture.png", false, "By link")));
const document = await upload(file, "application/pdf", "file.pdf");
sent("a document", await api.sendMessage(number, to, new Document(document, true, "A file", "file.pdf")));

const about = await api.retrieveMedia(document, number);
expect("the file is described", about.file_size === file.length && about.sha256 === sha256(file), about.mime_type);
expect_here("the file's url", about.url);
const bytes = Buffer.from(await (await api.fetchMedia(about.url)).arrayBuffer());
expect("the file comes back as it went", sha256(bytes) === sha256(file), bytes.length);
expect("deleted the file", (await api.deleteMedia(document, number)).success === true);
expect("it is gone", (await api.retrieveMedia(document)).error?.code === 100);
expect("deleted the image", (await api.deleteMedia(image)).success === true);

expect("marked as read, typing", (await api.markAsRead(number, written, "text")).success === true);

const refused = await api.sendMessage(number, to, new Text("fail with 131056"));
expect("a refusal of Meta's comes as it is", refused.error?.code === 131056 && refused.error.error_data?.details !== undefined, refused);
const foreign = await api.sendMessage("999999999999999", to, new Text("Not mine"));
expect("another's number is none", foreign.error?.code === 100 && foreign.error.error_subcode === 33, foreign);
const wrong = await client("EAAGnotMyToken").sendMessage(number, to, new Text("Who am I"));
expect("a wrong token is one", wrong.error?.code === 190 && wrong.error.type === "OAuthException", wrong);
