/*
 * keyhouse: one program, four lives. `serve` is the supervisor; `listener`, `sender`
 * and `vault` are the roles it starts; every other word is a command.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "gateway/command.h"
#include "gateway/config.h"
#include "gateway/harden.h"
#include "gateway/json.h"
#include "gateway/listener.h"
#include "gateway/log.h"
#include "gateway/outbound/outbound.h"
#include "gateway/role.h"
#include "gateway/supervisor.h"
#include "vault/vault.h"

/* A service manager signals every process of the service: the listener must be able to end its requests with
 * vault and sender still there, so those end when their starter says so. */
static void signals_leave_to_supervisor(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
}

/* Keys that swap has seen outlive their rotation: said once, at the start. */
static void memory_check(void)
{
	struct rlimit limit = {0, 0};

	(void)getrlimit(RLIMIT_MEMLOCK, &limit);
	if (vault_memory_locked() && limit.rlim_cur >= VAULT_LOCKED_LEN)
		return;
	log_warn("keys may reach swap: %llu bytes of memory may be locked, the vault needs %u; set LimitMEMLOCK=64M "
		 "in the service's unit, or ulimit -l, or switch swap off",
		(unsigned long long)limit.rlim_cur, VAULT_LOCKED_LEN);
}

/* One line, and then not more than one a minute, however often a role asks. */
static void say_refused(void *ctx, enum vault_role role, uint64_t count)
{
	static time_t said;
	struct timespec now;

	(void)ctx;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (said != 0 && now.tv_sec - said < 60)
		return;
	said = now.tv_sec > 0 ? now.tv_sec : 1;
	log_error("a role asked the vault for what it may not have: it may be taken over role=%s times=%llu",
		role_name(role == VAULT_ROLE_LISTENER ? ROLE_LISTENER : ROLE_SENDER), (unsigned long long)count);
}

/* Descriptors of the vault: the key file, its two clients, and what earlier vaults remembered. */
static int vault_main(void)
{
	struct vault_process *process;
	enum vault_error err = vault_init();
	char why[256];

	signals_leave_to_supervisor();
	if (err == VAULT_OK)
		err = vault_process_open(&process, ROLE_FIRST_FD);
	if (err == VAULT_OK)
		err = vault_process_remember(process, ROLE_FIRST_FD + 3);
	if (err != VAULT_OK) {
		(void)snprintf(why, sizeof(why), "the vault cannot start: %s", vault_error_text(err));
		role_say_failed(why);
		return 1;
	}
	memory_check();
	if (!harden_vault()) {
		role_say_failed("the vault cannot restrict itself (seccomp is needed)");
		return 1;
	}
	vault_process_tell(process, say_refused, NULL);
	role_say_ready();
	err = vault_process_serve(process, ROLE_LINK_FD, ROLE_FIRST_FD + 1, ROLE_FIRST_FD + 2);
	vault_process_close(process);
	return err == VAULT_OK ? 0 : 1;
}

static int sender_main(const struct config *config)
{
	struct outbound_sender_options options = {.listener_fd = ROLE_FIRST_FD,
		.vault_fd = ROLE_FIRST_FD + 1,
		.meta_api_url = config_get(config, CONFIG_META_API_URL),
		.meta_api_version = config_get(config, CONFIG_META_API_VERSION),
		.meta_media_url = config_get(config, CONFIG_META_MEDIA_URL),
		.d360_api_url = config_get(config, CONFIG_D360_API_URL),
		.d360_sandbox_url = config_get(config, CONFIG_D360_SANDBOX_URL),
		.public_url = config_get(config, CONFIG_PUBLIC_URL),
		.responder_allow = config_get(config, CONFIG_RESPONDER_ALLOW),
		.responder_timeout_ms = 1000 * config_number(config, CONFIG_RESPONDER_TIMEOUT)};

	signals_leave_to_supervisor();
	if (!outbound_sender_init()) {
		role_say_failed("the sender cannot start: memory is short");
		return 1;
	}
	if (vault_init() != VAULT_OK || !harden_sender()) {
		role_say_failed("the sender cannot restrict itself (seccomp is needed)");
		return 1;
	}
	json_init();
	/* A look-up gives its thread back soon, however silent a name server is. */
	(void)setenv("RES_OPTIONS", "timeout:2 attempts:1", 0);
	role_say_ready();
	return outbound_sender_run(&options);
}

static int role_main(enum role role)
{
	static struct config config;
	struct role_boot boot;

	log_init(role_name(role), LOG_INFO);
	if (!role_boot_read(&config, &boot)) {
		(void)fprintf(stderr, "keyhouse: `%s` is started by `keyhouse serve`, not by hand\n", role_name(role));
		return 2;
	}
	(void)prctl(PR_SET_NAME, role_name(role), 0, 0, 0);
	if (!harden_process()) {
		role_say_failed("a role cannot give up its privileges");
		return 1;
	}
	switch (role) {
	case ROLE_LISTENER:
		return listener_run(&boot);
	case ROLE_SENDER:
		return sender_main(&config);
	case ROLE_VAULT:
		return vault_main();
	}
	return 2;
}

int main(int argc, char **argv)
{
	static struct config config;
	char why[512];

	for (int r = 0; r < ROLES && argc == 2; r++)
		if (strcmp(argv[1], role_name((enum role)r)) == 0)
			return role_main((enum role)r);
	log_init("command", LOG_WARN);
	if (!harden_memory()) {
		(void)fprintf(stderr,
			"keyhouse: cannot keep its memory from other programs of this user (prctl, setrlimit)\n");
		return 1;
	}
	if (!config_load(&config, &argc, argv, why, sizeof(why))) {
		(void)fprintf(stderr, "keyhouse: %s\n", why);
		return config.unreadable ? 1 : 2;
	}
	if (argc < 2 || strcmp(argv[1], "serve") != 0 || strcmp(argv[argc - 1], "--help") == 0)
		return command_run(&config, argc, argv);
	if (argc > 2) {
		(void)fprintf(stderr, "keyhouse: serve takes settings only; see keyhouse --help\n");
		return 2;
	}
	log_init("supervisor", LOG_INFO);
	return supervisor_run(&config);
}
