/*
 * The audit's seal: between the store, which keeps the audit's rows, and the vault,
 * which seals the end of their chain.
 *
 * Called by whoever opens the database to change it: listener and session.
 */
#ifndef KEYHOUSE_AUDIT_H
#define KEYHOUSE_AUDIT_H

#include "gateway/tenant.h"

/* Zero-initialise it; lives as long as the store. */
struct audit {
	struct vault_client *vault;
	struct tenants *tenants;
};

/* What store_open wants; nothing is sealed, and so nothing audited can be done, before audit_begin. */
struct store_auditor audit_auditor(struct audit *a);

/* Tells the vault where the chain stands. What does not fit is no reason not to start: it is logged, and a new chain
 * begins, with a row that says so. The first one has a row, too. Borrows both. */
enum tenant_error audit_begin(struct audit *a, struct tenants *tenants, struct vault_client *vault)
	__attribute__((warn_unused_result));

/* For store_audit_check; ctx: an audit of which nothing was begun, but vault and tenants are set, and the vault seals nothing
 * for anybody else. */
enum store_error audit_head_check(void *ctx, const struct store_audit_head *head);

#endif
