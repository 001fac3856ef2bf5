/*
 * The states of a connection: their names for the API, and their words for a shop owner.
 * One table, so that everybody says the same of a state.
 */
#include <stdlib.h>

#include "gateway/connect/connect.h"

static const struct connect_state states[] = {
	{STORE_CONNECTION_PENDING, "pending", "Almost there",
		"The keys are kept, but nothing has proven yet that messages come and go.",
		"Send a WhatsApp message to this number from any phone, or press Check now.", false},
	{STORE_CONNECTION_ACTIVE, "active", "Connected", "The keys work, and messages come and go.",
		"There is nothing to do.", false},
	{STORE_CONNECTION_KEY_REFUSED, "key_refused", "The key is refused",
		"WhatsApp does not accept this number's key any more. No answer is sent until there is a new one.",
		"Make a new key where you got the old one, and replace it under Keys and access.", true},
	{STORE_CONNECTION_BLOCKED, "blocked", "The number may not send",
		"The key works, but WhatsApp lets this number send nothing at the moment.",
		"Look for the reason where you manage the number, at Meta or 360dialog. It is often a bill that is "
		"not paid, or a rule that was broken. Then press Check now.",
		true},
	{STORE_CONNECTION_WEBHOOK_TAKEN, "webhook_taken", "Another system gets the messages",
		"What customers write to this number is sent to another system, not here.",
		"If it should come here, press Take over. The other system gets nothing any more then.", true},
	{STORE_CONNECTION_SUSPENDED, "suspended", "Paused",
		"This connection was paused by whoever runs this service. Nothing is received or sent.",
		"Ask them when it goes on.", false},
};

const struct connect_state *connect_state_of(enum store_connection_status status)
{
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (states[i].status == status)
			return &states[i];
	abort(); /* the store reads no other */
}
