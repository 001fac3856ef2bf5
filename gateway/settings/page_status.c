/*
 * Status: whether the shop's number works, and what to do where it does not.
 */
#include "gateway/settings/internal.h"

void status_get(struct visit *v)
{
	layout_begin(v, "", "Status", NULL);
	layout_end(v);
	visit_send(v, 200);
}
