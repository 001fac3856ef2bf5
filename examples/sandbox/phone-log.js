// The log of the open chat: its bubbles in order, what stands there when it is empty, and where the reader is in it.
import { answersTo, messagesOf, nameOf, openShop, reactedTo, reactionsTo, state } from "/phone-known.js";
import { clock, content, dayOf, dayWords, h, icon, line, tick } from "/phone-message.js";

const NEAR_END_PX = 80;
const QUESTIONS = ["How much is iPhone 13 Pro?", "Do you have the ankara dress?", "Do you have AirPods Pro 2?"];

const $ = (id) => document.getElementById(id);
const log = $("log");
let bubbles = new Map(); // id -> element
let missed = 0; // messages that came below what the reader sees
let sticky = true; // the reader is at the end, and stays there when something grows
let act; // what a press does: on(entry) for what is in a message; ask(text), addCustomer(), pane(name)

export function startLog(actions) {
	act = actions;
	log.addEventListener("scroll", () => {
		sticky = atEnd();
		if (sticky) noneMissed();
	});
	$("newer").addEventListener("click", () => {
		toEnd();
		log.focus();
	});
}

/** The log was not to be seen, and is. */
export function stayAtEnd() {
	if (sticky) toEnd();
}

const atEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_END_PX;

export function toEnd() {
	log.scrollTop = log.scrollHeight;
	noneMissed();
}

function noneMissed() {
	missed = 0;
	$("newer").hidden = true;
}

function quote(message) {
	const id = message?.context?.id ?? message?.context?.message_id;
	const original = id && state.entries.get(id);
	if (!original) return null;
	return h(
		"p",
		{ class: "quote" },
		h("b", {}, original.from === "shop" ? (openShop()?.name ?? "Shop") : original.name),
		" ",
		line(original.message),
	);
}

const reactions = (id) =>
	reactionsTo(id).map((entry) =>
		h(
			"span",
			{ class: "reaction", title: `${entry.from === "shop" ? "the shop" : entry.name}: ${tick(entry).words}` },
			String(entry.message.reaction.emoji),
		),
	);

function foot(entry) {
	const { sign, words } = tick(entry);
	const failed = entry.state === "failed";
	const note = entry.note ?? (failed ? "failed, without a reason" : null);
	return h(
		"footer",
		{ "aria-live": "off" },
		note && h("p", { class: failed ? "note failed" : "note" }, note),
		h(
			"span",
			{ class: "meta" },
			entry.from === "shop" && h("span", { class: "key" }, `${failed ? "failed" : words} · key ...${entry.key_last4 ?? ""}`),
			h("time", { datetime: new Date(entry.at * 1000).toISOString() }, clock(entry.at)),
			h(
				"span",
				{
					class: `tick ${entry.state === "read" ? "read" : ""} ${failed ? "failed" : ""}`,
					"data-state": entry.state,
					title: words,
				},
				icon(sign, words),
			),
		),
	);
}

function inside(entry) {
	try {
		return content(entry.message, { act: act.on(entry), answers: answersTo(entry.id), template: entry.template });
	} catch {
		return [
			h("p", { class: "label" }, "this message cannot be shown"),
			h("pre", { tabindex: 0 }, JSON.stringify(entry.message, null, 2)),
		];
	}
}

function bubble(entry) {
	const badges = reactions(entry.id);
	const element = h(
		"article",
		{
			class: `bubble ${entry.from === "shop" ? "shop" : "mine"}`,
			"data-id": entry.id,
			"data-type": entry.message?.type,
		},
		h("span", { class: "unseen" }, `${entry.from === "shop" ? (openShop()?.name ?? "Shop") : entry.name}:`),
		quote(entry.message),
		inside(entry),
		foot(entry),
		badges.length > 0 && h("div", { class: "reactions" }, badges),
	);
	// Either way it grows: what stands in for a picture that cannot be shown comes after the error.
	for (const image of element.querySelectorAll("img"))
		for (const end of ["load", "error"]) image.addEventListener(end, () => setTimeout(stayAtEnd));
	bubbles.set(entry.id, element);
	return element;
}

export function showLog() {
	const chat = messagesOf(state.open);
	log.setAttribute("aria-busy", "true");
	bubbles = new Map();
	let day = null;
	log.replaceChildren(
		...chat.flatMap((entry) => {
			if (reactedTo(entry)) return [];
			const apart = dayOf(entry.at) !== day && h("p", { class: "day" }, dayWords(entry.at));
			day = dayOf(entry.at);
			return apart ? [apart, bubble(entry)] : [bubble(entry)];
		}),
	);
	if (!bubbles.size) log.append(emptiness());
	log.removeAttribute("aria-busy");
	toEnd();
}

/** A reaction or an answer changed how it looks; the keyboard stays where it was in it. */
function makeAnew(id) {
	const old = bubbles.get(id);
	const at = [...old.querySelectorAll("button")].indexOf(document.activeElement);
	old.replaceWith(bubble(state.entries.get(id)));
	bubbles.get(id).querySelectorAll("button")[at]?.focus();
}

export function showEntry(entry, isNewcomer) {
	if (entry.from === "provider") return;
	const about = reactedTo(entry);
	const old = bubbles.get(entry.id);
	const end = atEnd();
	sticky = end;
	if (old) {
		old.querySelector(":scope > footer").replaceWith(foot(entry));
	} else if (!about) {
		const newest = state.entries.get(log.lastElementChild?.dataset.id);
		if (!newest || newest.at > entry.at) {
			showLog();
			return;
		}
		if (dayOf(newest.at) !== dayOf(entry.at)) log.append(h("p", { class: "day" }, dayWords(entry.at)));
		log.append(bubble(entry));
	}
	for (const touched of [about, isNewcomer && entry.message?.context?.id])
		if (bubbles.has(touched)) makeAnew(touched);
	if (end || (entry.from === "customer" && isNewcomer)) toEnd();
	else if (isNewcomer) {
		missed++;
		$("newer").hidden = false;
		$("newer").querySelector("span").textContent = missed === 1 ? "New message" : `${missed} new messages`;
	}
}

function emptiness() {
	if (!state.asked) return h("div", { class: "empty" }, h("p", {}, "Asking the sandbox..."));
	if (!state.shops.length)
		return h(
			"div",
			{ class: "empty", id: "no-shop" },
			h("h3", {}, "No shop yet"),
			h("p", {}, "Start Keyhouse with two demo shops: ", h("code", {}, "make run"), "."),
			h("p", {}, "Or tell the sandbox about one of yours:"),
			h(
				"pre",
				{ tabindex: 0 },
				`curl -X PATCH --json '{
  "numbers": {"106540352242922":
    {"waba": "77",
     "verified_name": "My shop"}},
  "tokens": {"EAAG1": {"app": "4242",
    "numbers": ["106540352242922"],
    "wabas": ["77"]}}}' \\
  ${location.origin}/sandbox/book`,
			),
		);
	if (!openShop())
		return h(
			"div",
			{ class: "empty" },
			h("h3", {}, "No such shop"),
			h("p", {}, `The sandbox knows no shop with the number ${state.open.number ?? ""}. Choose another one.`),
			h(
				"button",
				{ type: "button", class: "chip only-narrow", onclick: () => act.pane("book") },
				"Shops and customers",
			),
		);
	if (!state.open.customer)
		return h(
			"div",
			{ class: "empty" },
			h("h3", {}, "Nobody writes yet"),
			h("button", { type: "button", class: "chip", onclick: () => act.addCustomer() }, "Add a customer"),
		);
	return h(
		"div",
		{ class: "empty" },
		h("h3", {}, "No message yet"),
		h("p", {}, `Write to ${openShop().name} as ${nameOf(state.open.customer)}, or ask:`),
		QUESTIONS.map((question) =>
			h("button", { type: "button", class: "chip", onclick: () => act.ask(question) }, question),
		),
	);
}

/** Shows where a message is. */
export function find(id) {
	const element = bubbles.get(id);
	if (!element) return;
	element.scrollIntoView({ block: "center" });
	element.classList.remove("found");
	requestAnimationFrame(() => element.classList.add("found"));
}
