/*
 * What each client's script begins with: where it goes and as whom, and what its user expects of the answers.
 *
 * From the environment: BASE_URL (no slash at its end), API_VERSION, TOKEN, PHONE_NUMBER_ID, WABA_ID, CUSTOMER (digits with
 * a plus), MESSAGE_ID (of a message that this customer wrote). A message whose text begins with "fail with CODE" is refused
 * with that code by whoever stands behind.
 */
import { createHash, randomBytes } from "node:crypto";

function setting(name) {
	if (!process.env[name]) {
		console.error(`${name} is not set`);
		process.exit(2);
	}
	return process.env[name];
}

export const base = setting("BASE_URL");
export const version = setting("API_VERSION");
export const token = setting("TOKEN");
export const number = setting("PHONE_NUMBER_ID");
export const account = setting("WABA_ID");
export const customer = setting("CUSTOMER");
export const written = setting("MESSAGE_ID");

/* A small picture, and a file with every byte in it. */
export const picture = Buffer.from(
	"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
	"base64",
);
export const file = Buffer.concat([Buffer.from([...Array(256).keys()]), randomBytes(700_000), Buffer.from("\r\n--")]);

export function sha256(bytes) {
	return createHash("sha256").update(bytes).digest("hex");
}

/* Prints what was done; what came instead, and status 1, where it is not as expected. */
export function expect(what, is_so, came) {
	const shown = came === undefined ? "" : ` ${JSON.stringify(came)}`;
	if (is_so) {
		console.log(`ok: ${what}${shown}`);
		return;
	}
	console.log(`NOT as expected: ${what}${shown}`);
	process.exit(1);
}

/* The id of a message that was sent. */
export function sent(what, answer) {
	const id = answer?.messages?.[0]?.id;
	expect(`sent ${what}`, typeof id === "string" && id.startsWith("wamid."), id ?? answer);
	return id;
}

/* What a promise is refused with; status 1 where it is not. */
export async function refusal(what, promise) {
	let answer;
	try {
		answer = await promise;
	} catch (error) {
		return error;
	}
	expect(`${what} is refused`, false, answer);
}

/* Media are downloaded from here, and from no provider. */
export function expect_here(what, url) {
	expect(`${what} is an address at ${base}`, String(url).startsWith(`${base}/`), String(url).split("?")[0]);
}
