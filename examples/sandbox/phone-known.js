// What the phone page knows: shops, customers, the entries of the feed, which chat is open, what was seen.
// Shops are asked for, entries come by the feed, the address names the open chat; nothing is shown from here.

const REPLAY_MS = 250; // how long a feed that was opened again may take to tell what it knows
const RETRY_MS = [300, 1000, 2000, 3000];

export const state = {
	shops: [],
	customers: new Map(), // phone -> name
	entries: new Map(), // id -> entry, one object for as long as it is known; first: the seq under which it came first
	open: { number: null, api: null, customer: null },
	asked: false, // the sandbox has said which shops there are
};

// ------------------------------------------------------------ chats

export const chatKey = (entry) => [entry.api, entry.number, entry.customer].join(" ");
export const openShop = () =>
	state.shops.find((shop) => shop.number === state.open.number && shop.api === state.open.api);
export const isOpen = (entry) => chatKey(entry) === chatKey(state.open);

let chats = new Map(); // key -> its entries, oldest first
let about = new Map(); // id -> the entries that answer or react to it

const all = () => [...state.entries.values()];
const inOrder = (a, b) => a.at - b.at || a.first - b.first;
const reactsTo = (entry) => (entry.message?.type === "reaction" ? entry.message.reaction?.message_id : null);
const listIn = (map, key) => map.get(key) ?? map.set(key, []).get(key);

function place(entry) {
	const chat = listIn(chats, chatKey(entry));
	if (chat.push(entry) > 1 && inOrder(chat.at(-2), entry) > 0) chat.sort(inOrder);
	for (const id of [entry.message?.context?.id, reactsTo(entry)]) if (id) listIn(about, id).push(entry);
}

/** The entries of a chat, oldest first; not to be changed. */
export const chatOf = (chat) => chats.get(chatKey(chat)) ?? [];

/** Those of them that are messages: tries of the shop that were not answered as usual belong to the trips alone. */
export const messagesOf = (chat) => chatOf(chat).filter((entry) => entry.from !== "provider");

/** What customers answered to a message. */
export const answersTo = (id) =>
	(about.get(id) ?? []).filter((e) => e.from === "customer" && e.message.context?.id === id).map((e) => e.message);

/** A reaction is a badge on the message it is about, where that is here: the id of that message. */
export const reactedTo = (entry) => (state.entries.has(reactsTo(entry)) ? reactsTo(entry) : null);

/** The last reaction of each side to a message. */
export function reactionsTo(id) {
	const last = new Map(
		(about.get(id) ?? []).filter((entry) => reactsTo(entry) === id).map((entry) => [entry.from, entry]),
	);
	return [...last.values()].filter((entry) => entry.message.reaction.emoji);
}

export const isPhone = (customer) => /^\d{7,15}$/.test(customer ?? "");
export const shownPhone = (customer) => (isPhone(customer) ? `+${customer}` : (customer ?? ""));
export const nameOf = (customer) =>
	state.customers.get(customer) ??
	all().findLast((entry) => entry.customer === customer)?.name ??
	shownPhone(customer);

/** The customers of the open shop, who wrote last first. */
export function customersHere() {
	const lastAt = new Map([...state.customers.keys()].map((phone) => [phone, 0]));
	for (const entry of state.entries.values())
		if (entry.number === state.open.number && entry.api === state.open.api)
			lastAt.set(entry.customer, Math.max(entry.at, lastAt.get(entry.customer) ?? 0));
	if (state.open.customer && !lastAt.has(state.open.customer)) lastAt.set(state.open.customer, 0);
	return [...lastAt].sort((a, b) => b[1] - a[1]).map(([customer]) => customer);
}

/** The newest journeys of the open chat: what a customer wrote and the shop's answers, newest first. A shop's message
 * belongs to the message it names, else to the last one before it. */
export function journeys(most) {
	const found = [];
	const begun = new Map();
	for (const entry of chatOf(state.open)) {
		const about = entry.message?.context?.message_id;
		const journey = entry.from !== "customer" && (begun.get(about) ?? found.at(-1));
		if (journey) {
			journey.push(entry);
		} else {
			found.push([entry]);
			begun.set(entry.id, found.at(-1));
		}
	}
	return found.slice(-most).reverse();
}

// ------------------------------------------------------------ the address

export function address() {
	const { number, api, customer } = state.open;
	const words = Object.entries({ shop: number, api, customer }).filter(([, value]) => value);
	return words.length ? `?${new URLSearchParams(words)}` : location.pathname;
}

export function readAddress() {
	const words = new URLSearchParams(location.search);
	state.open = {
		number: words.get("shop"),
		api: words.get("api"),
		customer: words.get("customer")?.trim().replace(/^\+/, "") || null,
	};
}

/** Where the address names no shop or customer, the first there is. */
export function settle() {
	const { open } = state;
	if (!openShop()) {
		const shop = open.number
			? state.shops.find((one) => one.number === open.number)
			: (state.shops.find((one) => one.connected) ?? state.shops[0]);
		if (shop) Object.assign(open, { number: shop.number, api: shop.api });
	}
	open.customer ??= [...state.customers.keys()][0] ?? null;
	if (open.number) history.replaceState(null, "", address());
}

// ------------------------------------------------------------ what was seen

// Per tab: what was there when it opened is no news.
const seen = JSON.parse(sessionStorage.getItem("seen") ?? "null") ?? { since: Date.now() / 1000, chats: {} };

const isNew = (entry) => entry.from === "shop" && entry.at > (seen.chats[chatKey(entry)] ?? seen.since);
export const unread = (matching) => all().filter((entry) => matching(entry) && isNew(entry)).length;

export function markSeen() {
	const last = chatOf(state.open).at(-1);
	if (!last || document.hidden || !(last.at > (seen.chats[chatKey(last)] ?? 0))) return;
	seen.chats[chatKey(last)] = last.at;
	sessionStorage.setItem("seen", JSON.stringify(seen));
}

// ------------------------------------------------------------ the sandbox

/** The document that the sandbox answers; throws what it says is wrong. */
export async function ask(method, path, body, type = "application/json") {
	let answer, document;
	try {
		answer = await fetch(path, { method, body, headers: body === undefined ? {} : { "Content-Type": type } });
		document = await answer.json();
	} catch {
		throw new Error(answer ? `the sandbox answered ${answer.status}, without JSON` : "the sandbox does not answer");
	}
	if (!answer.ok)
		throw new Error(typeof document?.error === "string" ? document.error : `the sandbox answered ${answer.status}`);
	return document;
}

export async function askShops() {
	const known = await ask("GET", "/sandbox/shops");
	state.shops = known.shops ?? [];
	state.customers = new Map((known.customers ?? []).map((one) => [one.phone, one.name]));
	state.asked = true;
	settle();
}

/** Keeps an entry: "new", "changed", or null where it tells nothing. stale: ids that only an earlier feed told. */
export function keep(entry, stale) {
	const known = state.entries.get(entry.id);
	stale?.delete(entry.id);
	if (known && known.seq >= entry.seq) return null;
	if (known) {
		Object.assign(known, { note: undefined }, entry);
		return "changed";
	}
	state.entries.set(entry.id, { ...entry, first: entry.seq });
	place(state.entries.get(entry.id));
	return "new";
}

function forget(ids) {
	for (const id of ids) state.entries.delete(id);
	chats = new Map();
	about = new Map();
	state.entries.forEach(place);
}

/** Follows the feed, for ever, and from its beginning each time: a sandbox that was started again counts anew.
 * tell: entry(entry, how), opened(), lost(), gone() where entries of an earlier sandbox were forgotten. */
export function follow(tell, lost = 0) {
	const feed = new EventSource("/sandbox/feed?after=0");
	const stale = new Set(state.entries.keys());
	feed.addEventListener("open", () => {
		lost = 0;
		setTimeout(() => {
			if (!stale.size) return;
			forget(stale);
			stale.clear();
			tell.gone();
		}, REPLAY_MS);
		tell.opened();
	});
	feed.addEventListener("message", (event) => {
		const entry = JSON.parse(event.data);
		const how = keep(entry, stale);
		if (how) tell.entry(state.entries.get(entry.id), how);
	});
	feed.addEventListener("error", () => {
		feed.close();
		if (lost > 0) tell.lost();
		setTimeout(follow, RETRY_MS[Math.min(lost, RETRY_MS.length - 1)], tell, lost + 1);
	});
}
