// What stands beside the chat: the shops, the customers' chats, and the trip of each message. What a press on one of
// them does is the page's: act.choose(part of the open chat), act.pane(name), act.find(id of a message).
import {
	chatKey,
	customersHere,
	isOpen,
	journeys,
	messagesOf,
	nameOf,
	openShop,
	shownPhone,
	state,
	unread,
} from "/phone-known.js";
import { clock, h, line, trip } from "/phone-message.js";

const TRIPS_MAX = 50; // older ones are not told

const $ = (id) => document.getElementById(id);

export function avatar(name) {
	let sum = 0;
	for (const letter of name) sum = (sum * 31 + letter.codePointAt(0)) % 997;
	const initials = name
		.split(/\s+/)
		.map((word) => [...word].find((letter) => /[\p{L}\p{N}]/u.test(letter)) ?? "")
		.join("");
	return h(
		"span",
		{ class: `avatar tone-${sum % 6}`, "aria-hidden": "true" },
		[...initials].slice(0, 2).join("").toUpperCase() || "?",
	);
}

const badge = (count) => count > 0 && h("span", { class: "badge", "aria-label": `${count} unread` }, String(count));

function shopCard(shop, act) {
	const current = shop === openShop();
	return h(
		"li",
		{},
		h(
			"button",
			{
				type: "button",
				class: "choice",
				"aria-current": current ? "true" : null,
				"data-number": shop.number,
				"data-api": shop.api,
				onclick: () => act.choose({ number: shop.number, api: shop.api }),
			},
			avatar(shop.name),
			h(
				"span",
				{ class: "lines" },
				h("strong", {}, shop.name),
				h("span", {}, `${shop.api === "meta" ? "Meta" : "360dialog"} · key ...${shop.key_last4}`),
				!shop.connected && h("span", { class: "warn" }, "not connected"),
			),
			badge(unread((entry) => entry.number === shop.number && entry.api === shop.api && !isOpen(entry))),
		),
	);
}

function chatCard(customer, act) {
	const chat = { ...state.open, customer };
	const last = messagesOf(chat).at(-1);
	const name = nameOf(customer);
	return h(
		"li",
		{},
		h(
			"button",
			{
				type: "button",
				class: "choice",
				"aria-current": customer === state.open.customer ? "true" : null,
				"data-customer": customer,
				onclick: () => {
					act.choose({ customer });
					act.pane("chat");
				},
			},
			avatar(name),
			h(
				"span",
				{ class: "lines" },
				h("strong", {}, name),
				h("span", {}, shownPhone(customer)),
				last && h("span", { class: "last" }, `${last.from === "shop" ? "" : "You: "}${line(last.message)}`),
			),
			h(
				"span",
				{ class: "side" },
				last && h("time", {}, clock(last.at)),
				badge(isOpen(chat) ? 0 : unread((entry) => chatKey(entry) === chatKey(chat))),
			),
		),
	);
}

/** Puts items in place of others, but for those that look the same: a press or the keyboard may be on them. */
function replaceItems(list, items) {
	const held = list.contains(document.activeElement) ? JSON.stringify({ ...document.activeElement.dataset }) : null;
	items.forEach((item, i) => {
		const old = list.children[i];
		if (!old) list.append(item);
		else if (!old.isEqualNode(item)) old.replaceWith(item);
	});
	while (list.children.length > items.length) list.lastElementChild.remove();
	if (held && !list.contains(document.activeElement))
		[...list.querySelectorAll("button")].find((one) => JSON.stringify({ ...one.dataset }) === held)?.focus();
}

// ------------------------------------------------------------ what is shown

export function showBook(act) {
	replaceItems(
		$("shops"),
		state.shops.length
			? state.shops.map((shop) => shopCard(shop, act))
			: [h("li", { class: "none" }, state.asked ? "No shop yet." : "")],
	);
	replaceItems(
		$("chats"),
		customersHere().map((customer) => chatCard(customer, act)),
	);
	const count = unread((entry) => !isOpen(entry));
	$("elsewhere").hidden = count === 0;
	$("elsewhere").textContent = count;
	$("open-book").setAttribute("aria-label", count ? `Shops and customers, ${count} unread` : "Shops and customers");
	document.title = `${count ? `(${count}) ` : ""}${openShop()?.name ?? "Phone"} – Keyhouse sandbox`;
}

export function showTrips(act) {
	const items = journeys(TRIPS_MAX).map((entries) => {
		const answer =
			entries[0].from === "customer" &&
			entries.find((entry) => entry.from === "shop" && entry.message?.type !== "reaction");
		return h(
			"li",
			{},
			h(
				"button",
				{ type: "button", class: "subject", "data-id": entries[0].id, onclick: () => act.find(entries[0].id) },
				h("span", {}, line(entries[0].message)),
				h("time", {}, clock(entries[0].at)),
			),
			h(
				"ol",
				{ class: "steps" },
				entries.map((entry) => {
					const steps = trip(entry, entry === answer);
					return h(
						"li",
						{ class: steps.at(-1)[1] },
						steps.map(([words, how], i) => [
							i > 0 && h("span", { class: "to" }, " →\u00a0"),
							h("span", { class: how }, words),
						]),
						entry !== entries[0] && entry.message && h("span", { class: "what" }, line(entry.message)),
					);
				}),
			),
		);
	});
	replaceItems(
		$("trips"),
		items.length
			? items
			: [
					h(
						"li",
						{ class: "none" },
						"Nothing yet in this chat. Here is told who took each message, which key answered it, and how far it came.",
					),
				],
	);
}
