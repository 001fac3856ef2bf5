/*
 * One update in Meta's envelope, as a webhook of Meta's own would bring it (facts/meta.md 1.5),
 * so that a platform reads both with the same code. Internal to gateway/reply.
 */
#ifndef KEYHOUSE_REPLY_ENVELOPE_H
#define KEYHOUSE_REPLY_ENVELOPE_H

#include "gateway/reply/reply.h"

enum reply_envelope_error {
	REPLY_ENVELOPE_OK = 0,
	REPLY_ENVELOPE_STORE, /* the store or the vault does not answer */
	REPLY_ENVELOPE_NO_MEMORY,
};

/* Any other update comes in its own field, with its value as it came. A status comes with the client's own biz_opaque_callback_data where it carries an id of ours, which is written
 * into message_id; "" for every other update. Owns: caller ends *out with json_text_free. */
enum reply_envelope_error reply_envelope(const struct reply_context *c, const struct reply_question *question,
	char **out, char message_id[static STORE_ID_LEN + 1]) __attribute__((warn_unused_result));

#endif
