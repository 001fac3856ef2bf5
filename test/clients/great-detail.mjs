/*
 * @great-detail/whatsapp with its options prefixUrl and graphVersion; it speaks through ky, whose errors carry the answer.
 */
import Client from "@great-detail/whatsapp";

import { account, base, customer, expect, expect_here, file, number, refusal, sent, sha256, token, version, written } from "./common.mjs";

function client(as) {
	return new Client({ prefixUrl: base, graphVersion: version, request: { headers: { Authorization: `Bearer ${as}` }, retry: 0 } });
}

const sdk = client(token);
const who = { phoneNumberID: number, to: customer };

sent("a text", await sdk.message.createMessage({ ...who, type: "text", text: { body: "Hello from great-detail" } }).json());
sent("a reply", await sdk.message.createMessage({ ...who, type: "text", text: { body: "A reply" }, context: { message_id: written } }).json());
const parameters = [{ type: "text", text: "Example" }];
const template = { name: "hello_world", language: { code: "en_US" }, components: [{ type: "body", parameters }] };
sent("a template", await sdk.message.createMessage({ ...who, type: "template", template }).json());
const read = await sdk.message.createStatus({ phoneNumberID: number, status: "read", message_id: written, typing_indicator: { type: "text" } }).json();
expect("marked as read, typing", read.success === true);

const blob = new Blob([file], { type: "application/pdf" });
const upload = await sdk.media.upload({ phoneNumberID: number, mimeType: "application/pdf", file: blob, filename: "file.pdf" }).json();
expect("uploaded a file", /^[0-9]+$/.test(upload.id), upload);
sent("a document", await sdk.message.createMessage({ ...who, type: "document", document: { id: upload.id, filename: "file.pdf" } }).json());
const about = await sdk.media.getURL({ mediaID: upload.id, phoneNumberID: number }).json();
expect("the file is described", about.file_size === file.length && about.sha256 === sha256(file), about.mime_type);
expect_here("the file's url", about.url);
const got = await sdk.media.download({ mediaURL: about.url, request: { headers: { Authorization: `Bearer ${token}` } } });
const bytes = Buffer.from(await got.arrayBuffer());
expect("the file comes back as it went", sha256(bytes) === sha256(file), bytes.length);
expect("deleted the file", (await sdk.media.delete({ mediaID: upload.id }).json()).success === true);
const gone = await refusal("a deleted file", sdk.media.getURL({ mediaID: upload.id }).json());
expect("it is gone", (await gone.response.json()).error.code === 100);

const self = await sdk.phoneNumbers.getPhoneNumber({ phoneNumberID: number, fields: ["verified_name", "quality_rating"] }).json();
expect("the number says how it is", self.id === number && self.quality_rating === "GREEN", self);
const numbers = await sdk.phoneNumbers.listPhoneNumbers({ businessAccountID: account, fields: ["verified_name"] }).json();
expect("the account has the number", numbers.data.some((one) => one.id === number), numbers.data.length);
const templates = await sdk.template.list(account, { limit: 3, fields: ["name", "status"] }).json();
expect("the account has templates", templates.data.length === 3 && templates.data[0].status !== undefined, templates.data.length);
const profile = { phoneNumberID: number, about: "From great-detail" };
expect("told what the shop is", (await sdk.businessProfile.updateBusinessProfile(profile).json()).success === true);
const told = await sdk.businessProfile.getBusinessProfile({ phoneNumberID: number, fields: ["about"] }).json();
expect("it says so", told.data[0].about === "From great-detail", told.data[0]);

const failing = { ...who, type: "text", text: { body: "fail with 131056" } };
const throttled = await refusal("too many to one customer", sdk.message.createMessage(failing).json());
expect("a refusal of Meta's comes as it is", throttled.response.status === 400 && (await throttled.response.json()).error.code === 131056);
const wrong = await refusal("a wrong token", client("EAAGnotMyToken").message.createMessage({ ...failing, text: { body: "Who am I" } }).json());
expect("a wrong token is one", wrong.response.status === 401 && (await wrong.response.json()).error.code === 190);
process.exit(0); /* answers that nobody read would keep an older Node waiting */
