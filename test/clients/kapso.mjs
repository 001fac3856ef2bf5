/*
 * @kapso/whatsapp-cloud-api with its options baseUrl and graphVersion. What Meta refuses is a GraphApiError there, which says
 * of what class it is.
 */
import { WhatsAppClient } from "@kapso/whatsapp-cloud-api";

import { account, base, customer, expect, expect_here, file, number, picture, refusal, sent, sha256, token, version, written } from "./common.mjs";

const client = new WhatsAppClient({ accessToken: token, baseUrl: base, graphVersion: version });
const who = { phoneNumberId: number, to: customer };

sent("a text", await client.messages.sendText({ ...who, body: "Hello from kapso" }));
sent("a reply", await client.messages.sendText({ ...who, body: "A reply", contextMessageId: written }));
sent("a reaction", await client.messages.sendReaction({ ...who, reaction: { messageId: written, emoji: "\u{1f44d}" } }));
sent("a template", await client.messages.sendTemplate({ ...who, template: { name: "hello_world", language: { code: "en_US" } } }));
sent("buttons", await client.messages.sendInteractiveButtons({ ...who, bodyText: "Yes?", buttons: [{ id: "yes", title: "Yes" }] }));
sent("an image by a link", await client.messages.sendImage({ ...who, image: { link: "https://example.com/picture.png" } }));
const image = (await client.media.upload({ phoneNumberId: number, type: "image/png", file: picture, fileName: "picture.png" })).id;
sent("an image by its id", await client.messages.sendImage({ ...who, image: { id: image, caption: "By id" } }));

const upload = await client.media.upload({ phoneNumberId: number, type: "application/pdf", file, fileName: "file.pdf" });
expect("uploaded a file", /^[0-9]+$/.test(upload.id), upload);
const about = await client.media.get({ mediaId: upload.id, phoneNumberId: number });
expect_here("the file's url", about.url);
/* It shows its token to no other host than its maker's unless told to: Meta would refuse that. */
const auth = process.env.MEDIA_NEED_TOKEN ? "always" : undefined;
const bytes = Buffer.from(await client.media.download({ mediaId: upload.id, phoneNumberId: number, auth }));
expect("the file comes back as it went", sha256(bytes) === sha256(file), bytes.length);
expect("deleted the file", (await client.media.delete({ mediaId: upload.id, phoneNumberId: number })).success === true);
const gone = await refusal("a deleted file", client.media.get({ mediaId: upload.id }));
expect("it is gone", gone.name === "GraphApiError" && gone.code === 100 && gone.errorSubcode === 33, gone.message);

expect("marked as read, typing", (await client.messages.markRead({ phoneNumberId: number, messageId: written, typingIndicator: { type: "text" } })).success === true);

const name = `client_${Date.now()}`;
const components = [{ type: "BODY", text: "Hello {{1}}", example: { bodyText: [["Ada"]] } }];
const made = await client.templates.create({ businessAccountId: account, name, language: "en_US", category: "UTILITY", components });
expect("made a template", /^[0-9]+$/.test(made.id) && made.status === "PENDING", made);
const names = [];
for (let after; names.length < 100; ) {
	const page = await client.templates.list({ businessAccountId: account, limit: 2, after });
	names.push(...page.data.map((template) => template.name));
	after = page.paging?.next && page.paging.cursors.after;
	if (!after) break;
}
expect("it is in the list, of which each page was walked", names.includes(name) && names.length > 4, names.length);
expect("deleted the template", (await client.templates.delete({ businessAccountId: account, name })).success === true);

const profile = { phoneNumberId: number, about: "From kapso", websites: ["https://example.com/"] };
expect("told what the shop is", (await client.phoneNumbers.businessProfile.update(profile)).success === true);
const told = await client.phoneNumbers.businessProfile.get({ phoneNumberId: number, fields: "about,websites" });
expect("it says so", told.data[0].about === "From kapso" && told.data[0].websites.length === 1, told.data[0]);

const throttled = await refusal("too many to one customer", client.messages.sendText({ ...who, body: "fail with 131056" }));
expect("a refusal of Meta's has its class", throttled.code === 131056 && throttled.isRateLimit() && throttled.details !== undefined, throttled.message);
const foreign = await refusal("another's number", client.messages.sendText({ ...who, phoneNumberId: "999999999999999", body: "Not mine" }));
expect("another's number is none", foreign.code === 100 && foreign.errorSubcode === 33, foreign.message);
const stranger = new WhatsAppClient({ accessToken: "EAAGnotMyToken", baseUrl: base, graphVersion: version });
const wrong = await refusal("a wrong token", stranger.messages.sendText({ ...who, body: "Who am I" }));
expect("a wrong token has its class", wrong.code === 190 && wrong.httpStatus === 401 && wrong.isAuthError(), wrong.message);
