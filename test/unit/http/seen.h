/*
 * Plants markers in requests of many kinds, on connections that come and go, and looks for them in all that malformed
 * requests on other connections are answered. One worker, so that each request finds the buffers of the one before.
 */
#ifndef KEYHOUSE_TEST_HTTP_SEEN_H
#define KEYHOUSE_TEST_HTTP_SEEN_H

/* How many answers held what another connection had said. accepted: how many were no refusals. */
unsigned seen_by_others(unsigned *accepted);

#endif
