// What is in a message, as nodes and as words. Shops, customers and messages are strangers' data: everything becomes
// a text node or a checked attribute, and nothing is loaded but pictures from /sandbox/media/.

/** An element. props: attributes; on* are listeners; false and null are left out. Children: nodes and texts. */
export function h(tag, props = {}, ...children) {
	const element = document.createElement(tag);
	for (const [name, value] of Object.entries(props)) {
		if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
		else if (value !== false && value != null) element.setAttribute(name, value === true ? "" : value);
	}
	element.append(...children.flat(Infinity).filter((child) => child != null && child !== false && child !== ""));
	return element;
}

export function icon(name, label) {
	const space = "http://www.w3.org/2000/svg";
	const svg = document.createElementNS(space, "svg");
	const use = document.createElementNS(space, "use");
	use.setAttribute("href", `#i-${name}`);
	svg.setAttribute("class", `icon i-${name}`);
	if (label) {
		svg.setAttribute("role", "img");
		svg.setAttribute("aria-label", label);
	} else {
		svg.setAttribute("aria-hidden", "true");
	}
	svg.append(use);
	return svg;
}

// ------------------------------------------------------------ text

// Strings may be anything but strings here: a shop's body is kept as it came.
const str = (value) => (value == null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value));
const list = (value) => (Array.isArray(value) ? value : []);

// In this order: an address, ```code```, *bold*, _italic_, ~struck~. A mark stands at a word's edge.
const MARKS = new RegExp(
	[
		/(https?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]}*_~])/,
		/```([^`]+)```/,
		/(?<![\w*])\*(\S|\S[^*\n]*\S)\*(?![\w*])/,
		/(?<!\w)_(\S|\S[^_\n]*\S)_(?!\w)/,
		/(?<![\w~])~(\S|\S[^~\n]*\S)~(?![\w~])/,
	]
		.map((mark) => mark.source)
		.join("|"),
	"gu",
);

function away(url, ...label) {
	return h("a", { href: url, target: "_blank", rel: "noreferrer noopener" }, ...(label.length ? label : [url]));
}

/** A link where the address is one of the web, else its text. */
function linked(url) {
	return /^https?:\/\//i.test(str(url)) ? away(str(url)) : str(url);
}

/** Text with WhatsApp's marks: *bold*, _italic_, ~struck~, ```code```, and addresses. The style keeps newlines. */
function marked(text) {
	const nodes = [];
	let at = 0;
	for (const m of str(text).matchAll(MARKS)) {
		nodes.push(str(text).slice(at, m.index));
		at = m.index + m[0].length;
		if (m[1]) nodes.push(away(m[1]));
		else if (m[2]) nodes.push(h("code", {}, m[2]));
		else if (m[3]) nodes.push(h("b", {}, marked(m[3])));
		else if (m[4]) nodes.push(h("i", {}, marked(m[4])));
		else nodes.push(h("s", {}, marked(m[5])));
	}
	nodes.push(str(text).slice(at));
	return nodes;
}

const paragraph = (text, cls = "text") => str(text) && h("p", { class: cls }, marked(text));

// ------------------------------------------------------------ media

const MEDIA = {
	__proto__: null,
	image: "Picture",
	video: "Video",
	audio: "Audio",
	document: "Document",
	sticker: "Sticker",
};
const MEDIA_ICON = {
	__proto__: null,
	image: "image",
	sticker: "image",
	video: "video",
	audio: "audio",
	document: "file",
};

function card(symbol, title, ...lines) {
	return h("div", { class: "card" }, icon(symbol), h("div", {}, h("strong", {}, title), ...lines));
}

function media(type, what) {
	const id = str(what.id);
	const title = str(what.filename) || MEDIA[type];
	if (!id)
		return what.link
			? card(MEDIA_ICON[type], title, h("span", {}, "by its address, not loaded here: ", linked(what.link)))
			: card(MEDIA_ICON[type], title, h("span", {}, "without an id or an address"));
	const src = `/sandbox/media/${encodeURIComponent(id)}`;
	// download: what a shop sends as a document must not open as a page of this origin.
	const file = (note) =>
		card(MEDIA_ICON[type], title, h("span", {}, note, h("a", { href: src, download: title }, "Save")));
	if (type !== "image" && type !== "sticker") return file(what.mime_type ? `${str(what.mime_type)} · ` : "");
	const image = h("img", { class: type, src, alt: str(what.caption) || `${MEDIA[type]} ${id}` });
	image.addEventListener("error", () => image.replaceWith(file("cannot be shown · ")));
	return image;
}

function withCaption(type, what) {
	return [media(type, what), paragraph(what.caption)];
}

// ------------------------------------------------------------ the types

const number = (value) => (Number.isFinite(Number(value)) ? Number(value).toFixed(4) : str(value));

function place(what) {
	return h(
		"div",
		{ class: "place" },
		h("div", { class: "plan" }, icon("place")),
		h("strong", {}, str(what.name) || "Location"),
		what.address && h("span", {}, str(what.address)),
		h("span", { class: "numbers" }, `${number(what.latitude)}, ${number(what.longitude)}`),
	);
}

function contacts(all) {
	return list(all).map((one) =>
		card(
			"person",
			str(one?.name?.formatted_name) || "Contact",
			...list(one?.phones).map((phone) => h("span", {}, str(phone?.phone))),
			...list(one?.emails).map((mail) => h("span", {}, str(mail?.email))),
		),
	);
}

function header(what) {
	if (!what) return null;
	return what.type === "text"
		? h("p", { class: "text head" }, str(what.text))
		: MEDIA[what.type] && media(what.type, what[what.type] ?? {});
}

const press = (label, symbol, onclick, pressed) =>
	h("button", { type: "button", class: "press", "data-pressed": pressed, onclick }, icon(symbol), str(label));

/** The rest of a message that has no form of its own. */
function raw(what) {
	return h("details", {}, h("summary", {}, "as it came"), h("pre", { tabindex: 0 }, JSON.stringify(what, null, 2)));
}

const isChosen = (reply, answers) =>
	answers.some((m) => {
		const given = m.interactive?.[m.interactive?.type];
		return given?.id === reply.id;
	});

function actions(what, { act, answers }) {
	const action = what.action ?? {};
	switch (what.type) {
		case "button":
			return list(action.buttons).map((button) => {
				const reply = { id: str(button?.reply?.id), title: str(button?.reply?.title) };
				return press(
					reply.title,
					"reply",
					() => act.reply({ type: "button_reply", button_reply: reply }),
					isChosen(reply, answers),
				);
			});
		case "list":
			return [
				press(
					action.button || "Choose",
					"list",
					() =>
						act.choose(str(action.button) || "Choose", sections(action), (row) =>
							act.reply({ type: "list_reply", list_reply: row }),
						),
					answers.some((m) => m.interactive?.type === "list_reply"),
				),
			];
		case "cta_url":
			return [
				h(
					"p",
					{ class: "outside" },
					icon("link"),
					h(
						"span",
						{},
						h("strong", {}, str(action.parameters?.display_text) || "Open"),
						" ",
						linked(action.parameters?.url),
					),
				),
			];
		case "location_request_message":
			return [
				press(
					"Send location",
					"place",
					() => act.place(),
					answers.some((m) => m.type === "location"),
				),
			];
		default:
			return [h("p", { class: "label" }, `interactive: ${str(what.type) || "no type"}`), raw(action)];
	}
}

function sections(action) {
	return list(action.sections).map((section) => ({
		title: str(section?.title),
		rows: list(section?.rows).map((row) => ({
			id: str(row?.id),
			title: str(row?.title),
			...(row?.description ? { description: str(row.description) } : {}),
		})),
	}));
}

function interactive(what, context) {
	const given = what[what.type];
	if (what.type === "button_reply" || what.type === "list_reply")
		return [
			paragraph(given?.title),
			given?.description && h("p", { class: "label" }, str(given.description)),
			h(
				"p",
				{ class: "label" },
				`${what.type === "list_reply" ? "list" : "button"} reply · id ${str(given?.id)}`,
			),
		];
	return [
		header(what.header),
		paragraph(what.body?.text),
		what.footer?.text && h("p", { class: "label" }, str(what.footer.text)),
		h("div", { class: "presses" }, actions(what, context)),
	];
}

function parameter(one) {
	const what = one?.[one?.type];
	return str(
		what?.constructor === Object
			? (what.fallback_value ?? what.filename ?? what.id ?? what.link ?? what)
			: (what ?? one),
	);
}

/** A component's text with its parameters, by their names or places. */
function filled(text, parameters) {
	return str(text).replace(/\{\{\s*(\w+)\s*\}\}/g, (gap, name) => {
		const one = parameters.find((p) => p?.parameter_name === name) ?? parameters[Number(name) - 1];
		return one === undefined ? gap : parameter(one);
	});
}

/** The words of a template that the account has: what its customers read. */
function words(known, parts) {
	const part = (type) => parts.find((one) => str(one?.type).toLowerCase() === type);
	const text = (type) => {
		const component = known.find((one) => str(one?.type).toLowerCase() === type && one.text);
		return component && filled(component.text, list(part(type)?.parameters));
	};
	const footer = text("footer");
	const head = text("header");
	return [head && h("strong", {}, head), paragraph(text("body")), footer && h("p", { class: "label" }, footer)];
}

function template(what, { act, answers, template: known }) {
	const parts = list(what.components);
	const buttons = parts.filter((part) => str(part?.type).toLowerCase() === "button");
	const rest = parts.filter((part) => !buttons.includes(part));
	const told = list(known).some((part) => part?.text);
	return [
		told && words(list(known), parts),
		card("template", str(what.name), h("span", {}, `template · ${str(what.language?.code)}`)),
		!told &&
			rest.length > 0 &&
			h(
				"dl",
				{},
				rest.map((part) => [
					h("dt", {}, str(part?.type).toLowerCase()),
					h(
						"dd",
						{},
						list(part?.parameters)
							.map((one) => (one?.parameter_name ? `${str(one.parameter_name)}: ` : "") + parameter(one))
							.join(", "),
					),
				]),
			),
		buttons.length > 0 &&
			h(
				"div",
				{ class: "presses" },
				buttons.map((button) => {
					const payload = parameter(list(button.parameters)[0]);
					if (str(button.sub_type).toLowerCase() !== "quick_reply")
						return h(
							"p",
							{ class: "outside" },
							icon("link"),
							h("span", {}, `${str(button.sub_type)} button: ${payload}`),
						);
					return press(
						payload,
						"reply",
						() => act.button({ payload, text: payload }),
						answers.some((m) => m.button?.payload === payload),
					);
				}),
			),
	];
}

/** What a message shows. context: act (what a press does), answers (what customers answered to it), and the components of
 * the template that it names. */
export function content(message, context) {
	const type = str(message?.type);
	const what = message?.[type] ?? {};
	switch (type) {
		case "text":
			return [paragraph(what.body)];
		case "image":
		case "video":
		case "audio":
		case "document":
		case "sticker":
			return withCaption(type, what);
		case "location":
			return [place(what)];
		case "contacts":
			return contacts(what);
		case "interactive":
			return interactive(what, context);
		case "button":
			return [paragraph(what.text), h("p", { class: "label" }, `template button · payload ${str(what.payload)}`)];
		case "template":
			return template(what, context);
		case "reaction":
			return [h("p", { class: "label" }, `reacted ${str(what.emoji)} to a message that is not here`)];
		default:
			return [card("unknown", `A message of type "${type}"`), raw(what)];
	}
}

// ------------------------------------------------------------ words

export const clock = (at) => new Date(at * 1000).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
export const dayOf = (at) => new Date(at * 1000).toDateString();

export function dayWords(at) {
	const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(at * 1000).setHours(0, 0, 0, 0)) / 86400000);
	if (days < 2) return ["Today", "Yesterday"][Math.max(days, 0)];
	return new Date(at * 1000).toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric" });
}

const short = (text, most = 90) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

/** A message in one line. */
export function line(message) {
	const type = str(message?.type);
	const what = message?.[type] ?? {};
	const words = {
		__proto__: null,
		text: () => str(what.body),
		location: () => `Location: ${str(what.name) || `${number(what.latitude)}, ${number(what.longitude)}`}`,
		contacts: () => `Contact: ${str(list(what)[0]?.name?.formatted_name)}`,
		interactive: () => str(what[what.type]?.title ?? what.body?.text) || str(what.type),
		button: () => str(what.text),
		template: () => `Template ${str(what.name)}`,
		reaction: () => `Reacted ${str(what.emoji)}`,
		document: () =>
			what.filename || what.caption ? `Document: ${str(what.filename || what.caption)}` : "Document",
	};
	const media = MEDIA[type] && (what.caption ? `${MEDIA[type]}: ${str(what.caption)}` : MEDIA[type]);
	const known = words[type]?.() ?? media;
	return short((known ?? `A message of type "${type}"`).replace(/\s+/g, " "));
}

/** The state of a message: its sign, what it says, and how it looks. */
export function tick(entry) {
	const failed = ["failed", entry.note || "failed"];
	const own = {
		sent: ["sent", "at the provider"],
		delivered: ["delivered", "the shop's webhook took it"],
		read: ["delivered", "read by the shop"],
		failed,
	};
	const theirs = {
		sent: ["sent", "sent"],
		delivered: ["delivered", "delivered"],
		read: ["delivered", "read"],
		failed,
	};
	const [sign, words] = (entry.from === "customer" ? own : theirs)[entry.state] ?? ["sent", str(entry.state)];
	return { sign, words };
}

const VERBS = {
	__proto__: null,
	image: "sent a picture",
	video: "sent a video",
	audio: "sent a sound",
	document: "sent a document",
	sticker: "sent a sticker",
	location: "sent a location",
	contacts: "sent a contact",
	interactive: "pressed a button",
	button: "pressed a button",
	reaction: "reacted",
};

const SENDS = { __proto__: null, reaction: "reaction", template: "template" };

/** The trip of a message, step by step: [words, state] each. isAnswer: the first after what a customer wrote. */
export function trip(entry, isAnswer) {
	const steps = [];
	const rank = ["sent", "delivered", "read"].indexOf(entry.state);
	const failed = entry.state === "failed";
	if (entry.from === "provider") return [[str(entry.note), "trying"]];
	if (entry.from === "customer") {
		const chosen = entry.message?.interactive?.type === "list_reply" ? "chose from a list" : null;
		steps.push([`${str(entry.name)} ${chosen ?? VERBS[entry.message?.type] ?? "wrote"}`, "sent"]);
		if (rank >= 1) steps.push(["Keyhouse took it\u00a0(200)", "delivered"]);
		if (rank >= 2) steps.push(["the shop read it", "read"]);
		if (rank === 0)
			steps.push([str(entry.note) || "on its way to the shop's webhook", entry.note ? "trying" : "waiting"]);
		if (failed) steps.push([str(entry.note) || "failed", "failed"]);
		return steps;
	}
	steps.push([
		`${SENDS[entry.message?.type] ?? (isAnswer ? "answer" : "message")} sent with key ...${str(entry.key_last4)}`,
		"sent",
	]);
	if (rank >= 1) steps.push(["delivered", "delivered"]);
	if (rank >= 2) steps.push(["read", "read"]);
	if (failed) steps.push([`failed${entry.note ? `: ${str(entry.note)}` : ""}`, "failed"]);
	return steps;
}
