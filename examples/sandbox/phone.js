// The phone page put together: it shows what is known (phone-known.js) in the log (phone-log.js) and beside it
// (phone-beside.js), and sends what the customer says. Names and texts are strangers': they become text nodes.
import { avatar, showBook, showTrips } from "/phone-beside.js";
import {
	address,
	ask,
	askShops,
	follow,
	isOpen,
	isPhone,
	keep,
	markSeen,
	nameOf,
	openShop,
	readAddress,
	settle,
	shownPhone,
	state,
} from "/phone-known.js";
import { find, showEntry, showLog, startLog, stayAtEnd } from "/phone-log.js";
import { h } from "/phone-message.js";

const SHOPS_EVERY_MS = 4000;
const MANY = 50; // entries at once: more are awaited, and the log is made anew

const $ = (id) => document.getElementById(id);

// ------------------------------------------------------------ the whole page

function choose(part) {
	Object.assign(state.open, part);
	history.pushState(null, "", address());
	say($("error"), "");
	showAll(true);
}

function showBar() {
	const shop = openShop();
	const name = shop?.name ?? "Keyhouse sandbox";
	$("shop-avatar").className = avatar(name).className;
	$("shop-avatar").textContent = avatar(name).textContent;
	say($("shop-name"), name);
	const as =
		shop && state.open.customer ? `as ${nameOf(state.open.customer)} · ${shownPhone(state.open.customer)}` : "";
	if ($("writing-as").textContent !== `You write ${as}`)
		$("writing-as").replaceChildren(as && h("span", { class: "roomy" }, "You write "), as);
	say($("unconnected"), shop && !shop.connected ? "No webhook is registered: messages will not arrive." : "");
	for (const control of [$("attach"), $("text"), $("send")]) control.disabled = !shop || !state.open.customer;
}

function once(work, wait) {
	let waiting = false;
	return () => {
		if (waiting) return;
		waiting = true;
		setTimeout(() => {
			waiting = false;
			work();
		}, wait);
	};
}

function showBeside() {
	const act = {
		choose,
		pane,
		find: (id) => {
			pane("chat");
			find(id);
		},
	};
	markSeen();
	showBook(act);
	showTrips(act);
}

const besideSoon = once(showBeside, 30);
const shopsSoon = once(() => loadShops().catch(() => {}), 500);

async function loadShops() {
	await askShops();
	showAll();
}

let taken = []; // entries that are to be shown
let takenBefore = 0;

const takenSoon = once(() => {
	const pouring = taken.length > MANY && taken.length > takenBefore;
	takenBefore = pouring ? taken.length : 0;
	if (pouring) {
		takenSoon();
		return;
	}
	const now = taken.filter(([entry]) => isOpen(entry));
	taken = [];
	if (now.length > MANY) showLog();
	else for (const [entry, how] of now) showEntry(entry, how === "new");
}, 10);

/** An entry that came by the feed, or by sending it. */
function showTaken(entry, how) {
	taken.push([entry, how]);
	takenSoon();
	besideSoon();
	if (!state.customers.has(entry.customer) || !state.shops.some((shop) => shop.number === entry.number)) shopsSoon();
}

let shown = null; // the chat that the log shows, and what its emptiness depends on

function showAll(anew = false) {
	const now = JSON.stringify([state.open, state.shops.map((shop) => shop.name), state.asked]);
	showBar();
	if (anew || now !== shown) showLog();
	shown = now;
	showBeside();
}

// ------------------------------------------------------------ sending

function say(element, text) {
	if (element.textContent !== text) element.textContent = text;
}

function writer() {
	const { customer } = state.open;
	return isPhone(customer) ? { phone: customer } : { user_id: customer, name: nameOf(customer) };
}

/** A message of the open chat; throws what is wrong with it. */
async function deliver(message) {
	const { number, api } = state.open;
	const entry = await ask("POST", "/sandbox/messages", JSON.stringify({ number, api, customer: writer(), message }));
	const how = keep(entry);
	if (how) showTaken(state.entries.get(entry.id), how);
}

async function send(message) {
	say($("error"), "");
	try {
		await deliver(message);
		return true;
	} catch (error) {
		say($("error"), `Not sent: ${error.message}.`);
		return false;
	}
}

let sending = false;
let picture = null; // the file that goes with the next message

async function sendComposed() {
	const text = $("text").value;
	if (sending || (!text.trim() && !picture)) return;
	sending = true;
	let sent = false;
	try {
		let message = { type: "text", text: { body: text } };
		if (picture) {
			const { id } = await ask(
				"POST",
				`/sandbox/media?filename=${encodeURIComponent(picture.name)}`,
				picture,
				picture.type,
			);
			message = { type: "image", image: { id, ...(text.trim() ? { caption: text } : {}) } };
		}
		sent = await send(message);
	} catch (error) {
		say($("error"), `Not sent: ${error.message}.`);
	}
	sending = false;
	if (!sent) return;
	if ($("text").value === text) $("text").value = "";
	pick(null);
	grow();
}

function grow() {
	$("text").style.height = "auto";
	$("text").style.height = `${Math.min($("text").scrollHeight, 132)}px`;
}

function pick(file) {
	if (picture) URL.revokeObjectURL($("picked-image").src);
	$("file").value = "";
	picture = file;
	$("picked").hidden = !file;
	$("picked-image").removeAttribute("src");
	$("text").placeholder = file ? "Caption" : "Message";
	if (!file) return;
	$("picked-image").src = URL.createObjectURL(file);
	say($("picked-name"), file.name);
	$("text").focus();
}

// ------------------------------------------------------------ dialogs

function menu(open) {
	$("menu").hidden = !open;
	$("attach").setAttribute("aria-expanded", String(open));
	if (open) $("attach-picture").focus();
}

function openDialog(id) {
	menu(false);
	say($(id).querySelector(".error"), "");
	$(id).showModal();
}

/** What a dialog's form does with its fields; it closes unless that fails. */
function onForm(id, work) {
	const dialog = $(id);
	dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
	dialog.addEventListener("close", () => {
		if (document.activeElement === document.body) $("attach").focus(); // what opened it is hidden by now
	});
	dialog.querySelector("form").addEventListener("submit", async (event) => {
		event.preventDefault();
		say(dialog.querySelector(".error"), "");
		try {
			await work(Object.fromEntries(new FormData(event.target)));
			dialog.close();
		} catch (error) {
			say(dialog.querySelector(".error"), `${error.message}.`);
		}
	});
}

function openList(title, parts, onchoice) {
	say($("list-title"), title);
	$("list-rows").replaceChildren(
		...parts.map((part) =>
			h(
				"fieldset",
				{},
				part.title && h("legend", {}, part.title),
				part.rows.map((row) =>
					h(
						"button",
						{
							type: "button",
							class: "row",
							"data-id": row.id,
							onclick: async () => {
								$("list-dialog").close();
								await onchoice(row);
							},
						},
						h("strong", {}, row.title),
						row.description && h("span", {}, row.description),
					),
				),
			),
		),
	);
	openDialog("list-dialog");
}

async function addCustomer({ name, phone }) {
	const digits = phone.replace(/\D/g, "");
	if (!isPhone(digits)) throw new Error("A phone number has 7 to 15 digits, the country's first");
	await ask(
		"PATCH",
		"/sandbox/book",
		JSON.stringify({ customers: { [digits]: { name: name.trim() || shownPhone(digits) } } }),
	);
	await loadShops();
	choose({ customer: digits });
	pane("chat");
}

// ------------------------------------------------------------ wiring

/** On a narrow screen one of book, chat and trips is to be seen. */
function pane(name) {
	document.body.dataset.pane = name;
	if (name === "chat") stayAtEnd();
}

/** An icon without a request: the page has no other file. */
function drawIcon() {
	const key = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24">
		<rect width="24" height="24" rx="6" fill="#1f2b4d"/>
		<g fill="none" stroke="#f3b54a" stroke-width="2" stroke-linecap="round">
			<circle cx="8.5" cy="12" r="3.5"/><path d="M12 12h8M16.5 12v3M19.5 12v2"/>
		</g>
	</svg>`;
	document.head.append(
		h("link", { rel: "icon", href: URL.createObjectURL(new Blob([key], { type: "image/svg+xml" })) }),
	);
}

/** What a press in the log does. */
const inLog = {
	pane,
	ask: (text) => {
		$("log").focus(); // the question that was pressed goes away
		send({ type: "text", text: { body: text } });
	},
	addCustomer: () => openDialog("customer-dialog"),
	on: (entry) => ({
		reply: (interactive) => send({ type: "interactive", interactive, context: { id: entry.id } }),
		button: (button) => send({ type: "button", button, context: { id: entry.id } }),
		choose: openList,
		place: () => openDialog("place-dialog"),
	}),
};

function wire() {
	startLog(inLog);
	$("composer").addEventListener("submit", (event) => {
		event.preventDefault();
		sendComposed();
	});
	$("text").addEventListener("keydown", (event) => {
		if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
		event.preventDefault();
		sendComposed();
	});
	$("text").addEventListener("input", grow);
	$("attach").addEventListener("click", () => menu($("menu").hidden));
	$("attach-picture").addEventListener("click", () => {
		menu(false);
		$("file").click();
	});
	$("attach-place").addEventListener("click", () => openDialog("place-dialog"));
	$("attach-reply").addEventListener("click", () => openDialog("reply-dialog"));
	document.addEventListener("click", (event) => {
		if (!$("menu").contains(event.target) && !$("attach").contains(event.target)) menu(false);
	});
	$("composer").addEventListener("keydown", (event) => {
		if (event.key !== "Escape" || $("menu").hidden) return;
		menu(false);
		$("attach").focus();
	});
	$("file").addEventListener("change", () => {
		if ($("file").files[0]) pick($("file").files[0]);
	});
	$("unpick").addEventListener("click", () => pick(null));
	$("open-book").addEventListener("click", () => {
		pane("book");
		$("close-book").focus();
	});
	$("close-book").addEventListener("click", () => {
		pane("chat");
		$("open-book").focus();
	});
	document.addEventListener("keydown", (event) => {
		if (event.key !== "Escape" || document.querySelector("dialog[open]")) return;
		for (const close of ["close-book", "close-trips"]) if ($(close).checkVisibility()) $(close).click();
	});
	$("open-trips").addEventListener("click", () => {
		pane("trips");
		$("close-trips").focus();
	});
	$("close-trips").addEventListener("click", () => {
		pane("chat");
		$("open-trips").focus();
	});
	$("add-customer").addEventListener("click", () => {
		$("customer-dialog").querySelector("form").reset();
		openDialog("customer-dialog");
	});
	onForm("customer-dialog", addCustomer);
	onForm("place-dialog", ({ name, latitude, longitude }) =>
		deliver({
			type: "location",
			location: {
				latitude: Number(latitude),
				longitude: Number(longitude),
				...(name.trim() ? { name: name.trim() } : {}),
			},
		}),
	);
	onForm("reply-dialog", ({ id, title }) =>
		deliver({ type: "interactive", interactive: { type: "button_reply", button_reply: { id, title } } }),
	);
	onForm("list-dialog", () => {});
	window.addEventListener("popstate", () => {
		readAddress();
		settle();
		showAll(true);
	});
	document.addEventListener("visibilitychange", besideSoon);
	setInterval(() => {
		if (!document.hidden) loadShops().catch(() => {});
	}, SHOPS_EVERY_MS);
}

drawIcon();
readAddress();
wire();
showAll();
follow({
	entry: showTaken,
	opened: () => {
		say($("offline"), "");
		loadShops().catch(() => {});
	},
	lost: () => say($("offline"), "Connection lost, trying again..."),
	gone: () => showAll(true),
});
