# How Keyhouse is proven: unit tests, fuzzers, checks, the real program, figures. Included by the Makefile.

# ---------------------------------------------------------------- unit tests: a folder links its module
JSON = $(B)/gateway/json.o
LOG = $(B)/gateway/log.o $(B)/gateway/utf8.o
TENANT = $(B)/gateway/tenant.o $(B)/gateway/keycache.o
I = $(B)/gateway/inbound
MESSAGE = $(patsubst %,$(I)/%.o,message scene seen kinds customer account) $(JSON) $(B)/vault/secret.o
WITH_vault = $(VAULT)
WITH_store = $(STORE)
WITH_http = $(HTTP)
WITH_http/test_mends = $(filter-out %/engine.o,$(HTTP))
WITH_http/test_unmended = $(filter-out %/engine.o,$(HTTP))
WITH_reply = $(REPLY) $(JSON) $(VAULT) $(B)/gateway/outbound/message.o $(B)/gateway/outbound/kind_rules.o $(B)/gateway/utf8.o
WITH_settings/test_paste = $(B)/gateway/settings/paste.o
WITH_settings/test_html = $(B)/gateway/settings/html.o $(B)/gateway/utf8.o $(VAULT)
WITH_gateway = $(ALL)
WITH_gateway/test_config = $(B)/gateway/config.o
WITH_gateway/test_keycache = $(B)/gateway/keycache.o $(VAULT)
WITH_front = $(patsubst %,$(B)/gateway/front/%.o,meters waiting parts) $(B)/gateway/outbound/kind_rules.o $(JSON) $(VAULT)
WITH_outbound = $(OUTBOUND) $(JSON) $(LOG) $(VAULT) $(TENANT) $(B)/gateway/config.o $(B)/gateway/delivery.o
WITH_api = $(API) $(CONNECT) $(patsubst %,$(B)/gateway/%.o,content resend kit once removal rotation reseal rewrap virtual_key virtual_key_issue rfc3339 refused_calls) $(JSON) $(LOG) $(TENANT) $(B)/gateway/utf8.o $(B)/gateway/link.o $(B)/gateway/doctor.o $(B)/gateway/finding.o $(B)/gateway/delivery.o $(B)/gateway/http/query.o $(patsubst %,$(B)/gateway/outbound/%.o,message kind_rules destination address) \
	$(REPLY) $(VAULT) $(STORE)
WITH_connect = $(WITH_api) $(B)/test/unit/api/helper.o $(B)/test/unit/api/fake_outbound.o
WITH_inbound/test_signature = $(I)/signature.o
WITH_inbound/test_binding = $(I)/binding.o
WITH_inbound/test_message = $(MESSAGE)
WITH_inbound/test_turns = $(I)/turns.o
WITH_inbound/test_split = $(MESSAGE) $(I)/split.o
WITH_inbound/test_webhook = $(I)/deliveries.o $(B)/gateway/delivery.o $(B)/store/delivery_sum.o $(I)/accept.o $(I)/keep.o $(I)/webhook.o $(I)/signature.o $(B)/gateway/http/query.o $(LOG) $(B)/vault/secret.o
WITH_inbound/test_kinds = $(WITH_inbound/test_split)
WITH_inbound/test_proofs = $(WITH_inbound/test_webhook) $(B)/vault/verifier.o
WITH_inbound/test_deliveries = $(I)/deliveries.o $(B)/gateway/delivery.o $(B)/store/delivery_sum.o $(VAULT)
WITH_inbound/test_intake = $(MESSAGE) $(LOG) $(patsubst %,$(I)/%.o,inbound intake ready turns answer ask asks prepare binding split deliveries) $(B)/gateway/delivery.o $(B)/store/delivery_sum.o
WITH_inbound/test_asks = $(WITH_inbound/test_intake)
# helpers beside the tests: all of a folder's, unless a test names its own
HELP_http/test_mends = none
HELP_inbound/test_signature = none
HELP_inbound/test_binding = none
HELP_inbound/test_message = none
HELP_inbound/test_turns = none
HELP_inbound/test_split = none
HELP_inbound/test_deliveries = none
HELP_inbound/test_kinds = none
HELP_inbound/test_webhook = fake_http fake_quiet
HELP_inbound/test_proofs = fake_http fake_quiet fake_nobody
HELP_inbound/test_intake = fake_house fake_asks
HELP_inbound/test_asks = fake_house fake_asks
FLAGS_api/test_no_memory = -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc
FLAGS_vault/test_no_memory = -Wl,--wrap=malloc -Wl,--wrap=calloc

UNIT = $(patsubst test/unit/%.c,%,$(sort $(wildcard test/unit/*/test_*.c)))
ONLY ?= %
helpers = $(if $(HELP_$(1)),$(filter-out none,$(HELP_$(1))),$(filter-out test_%,$(basename $(notdir $(wildcard test/unit/$(patsubst %/,%,$(dir $(1)))/*.c)))))
define unit_rule
$(B)/test/unit/$(1): $(B)/test/unit/$(1).o $(patsubst %,$(B)/test/unit/$(dir $(1))%.o,$(call helpers,$(1))) \
		$(or $(WITH_$(1)),$(WITH_$(patsubst %/,%,$(dir $(1)))))
	$$(call say,LINK,$$@)$$(LINK) $(FLAGS_$(1)) -o $$@ $$^ -lcmocka $$(LIBS)
endef
$(foreach t,$(UNIT),$(eval $(call unit_rule,$(t))))
$(B)/test/unit/http/%.o: BASE += $(CIVETWEB_FLAGS)
$(B)/test/unit/http/test_mends.o: $(CIVETWEB)
$(B)/test/unit/http/test_unmended.o: HARDEN += -isystem $(B)/civetweb-unmended
$(B)/test/unit/http/test_unmended.o: $(B)/civetweb-unmended/civetweb.c

# two mends undone: it parses what lies behind the bytes that came
$(B)/civetweb-unmended/civetweb.c: $(CIVETWEB)
	@mkdir -p $(@D)
	$(Q)sed -e '/if (parse_http_request(conn->buf, /s/conn->data_len,/conn->buf_size,/' -e 's/!= conn->request_len) {/<= 0) {/' $< >$@
	$(Q)[ "$$(diff $< $@ | grep -c '^>')" = 2 ]

# They wait more than they work: three at a time.
unit: $(patsubst %,$(B)/test/unit/%,$(filter $(ONLY),$(UNIT)))
	$(Q)printf '%s\n' $^ | KH_TEST_DATA=test/data ASAN_OPTIONS=$$ASAN_OPTIONS:detect_leaks=1 xargs -P 3 -I T sh -c \
		'T >T.log 2>&1 || { cat T.log; echo "FAILED T"; exit 1; }; \
		grep -ah "skipped:" T.log; grep -a PASSED T.log | sed "s|^|  T |"'

# ---------------------------------------------------------------- fuzzers: corpora (test/fuzz/seeds.py makes the newer ones) replayed by make test; make fuzz T=split
FUZZERS = split signature webhook proofs head blob keyfile roles scrub
WITH_fuzz_split = $(MESSAGE) $(I)/split.o
WITH_fuzz_signature = $(I)/signature.o
WITH_fuzz_webhook = $(MESSAGE) $(patsubst %,$(I)/%.o,split prepare binding) $(B)/gateway/outbound/message.o $(B)/gateway/outbound/kind_rules.o $(B)/gateway/utf8.o $(filter-out %/secret.o,$(VAULT))
WITH_fuzz_proofs = $(patsubst %,$(B)/test/unit/inbound/%.o,fake_quiet fake_nobody) $(patsubst %,$(I)/%.o,accept keep deliveries signature) $(B)/gateway/delivery.o $(B)/store/delivery_sum.o $(LOG) $(VAULT)
WITH_fuzz_head = $(B)/gateway/http/head.o
WITH_fuzz_blob = $(VAULT)
WITH_fuzz_keyfile = $(VAULT)
WITH_fuzz_roles = $(patsubst %,$(B)/gateway/outbound/%.o,job kinds kind_rules kind_url request relay wiping signed destination address d360 meta) $(patsubst %,$(B)/gateway/%.o,role config json) $(LOG) $(VAULT)
WITH_fuzz_scrub = $(B)/gateway/outbound/scrub.o $(JSON) $(VAULT)
T ?= split
FUZZ_SECONDS ?= 60

define fuzz_rule
$(B)/test/fuzz/fuzz_$(1): $(B)/test/fuzz/fuzz_$(1).o $(if $(filter fuzzer%,$(SAN)),,$(B)/test/fuzz/replay.o) $(WITH_fuzz_$(1))
	$$(call say,LINK,$$@)$$(LINK) -o $$@ $$^ $$(LIBS)
endef
$(foreach f,$(FUZZERS),$(eval $(call fuzz_rule,$(f))))

# What others recorded is replayed where it is there.
KH_SAMPLES ?= ../shared
SAMPLES = $(wildcard $(KH_SAMPLES)/payloads/*)
replay: $(patsubst %,$(B)/test/fuzz/fuzz_%,$(FUZZERS))
	$(Q)for f in $(FUZZERS); do $(B)/test/fuzz/fuzz_$$f test/fuzz/corpus/$$f/* && echo "  replayed $$f: $$(ls test/fuzz/corpus/$$f | wc -l) inputs" || exit 1; done
	$(Q)if [ -z "$(SAMPLES)" ]; then echo "  skipped: no samples"; else $(B)/test/fuzz/fuzz_webhook $(SAMPLES) && $(B)/test/fuzz/fuzz_split $(SAMPLES); fi

fuzz:
	$(Q)$(MAKE) --no-print-directory CC=clang SAN=fuzzer-no-link,address,undefined B=build/fuzz LDFLAGS=-fsanitize=fuzzer build/fuzz/test/fuzz/fuzz_$(T)
	$(Q)mkdir -p build/fuzz/found && build/fuzz/test/fuzz/fuzz_$(T) -max_total_time=$(FUZZ_SECONDS) build/fuzz/found test/fuzz/corpus/$(T)

# ---------------------------------------------------------------- checks and tests
check: | $(DEPS)
	$(Q)$(PYTHON) test/check/check.py

format:
	$(Q)git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format -i

TSAN = vault/% store/% gateway/test_keycache gateway/test_virtual_key http/test_http http/test_crowd http/test_refusals http/test_later http/test_pieces inbound/test_intake inbound/test_asks outbound/% $(filter-out api/test_no_memory,$(filter api/%,$(UNIT)))
# Without warnings; units plain and with address and undefined-behaviour sanitizers; then the real program.
test: deps-test
	$(Q)$(MAKE) --no-print-directory check
	$(Q)$(MAKE) --no-print-directory -j2 CI=1 all
	$(Q)$(MAKE) --no-print-directory -j2 CI=1 unit
	$(Q)$(MAKE) --no-print-directory -j2 CI=1 SAN=address,undefined B=build/asan all unit replay
	$(Q)$(MAKE) --no-print-directory e2e
	$(Q)$(MAKE) --no-print-directory crash

# What takes long: clang's warnings, the thread sanitizer where threads meet, long rounds in a browser, the real program under
# the sanitizers, many more rounds of the crash test. The thread sanitizer keeps copies of what it saw, now and then: secrets left in memory are looked for by make test.
test-slow: deps-test
	$(Q)$(MAKE) --no-print-directory -j2 CI=1 all
	$(Q)$(MAKE) --no-print-directory -j2 CI=1 CC=clang B=build/clang all
	$(Q)KH_SKIP_MEMORY=1 $(MAKE) --no-print-directory -j2 CI=1 CC=clang SAN=thread B=build/tsan ONLY="$(TSAN)" unit
	$(Q)$(MAKE) --no-print-directory e2e-rounds
	$(Q)$(MAKE) --no-print-directory e2e-sanitized
	$(Q)$(MAKE) --no-print-directory sandbox-threads
	$(Q)$(MAKE) --no-print-directory test-clients
	$(Q)KH_SLOW=1 $(MAKE) --no-print-directory crash KH_ROUNDS=50 CUTS=500 EVERY=19
	$(Q)$(MAKE) --no-print-directory -j2 SAN=address,undefined B=build/asan powercut CUTS=50 EVERY=200

PYTEST = $(PYTHON) -B -m pytest -q -p no:cacheprovider
# They wait more than they work: four at a time keep two cores busy. The longest rounds in a browser, and the canary over TLS, are test-slow's.
ROUNDS = $(patsubst %,test/e2e/test_%.py,phone settings_connect settings_pages doctor rotation rotate echo canary settings admin keys backup audit)
# Crowds that leave nobody else a core, so that nobody else is there.
ALONE = test/e2e/test_attack.py
CANARY_TLS = test/e2e/test_canary.py::test_the_canary[tls]
e2e: $(B)/keyhouse $(B)/keyhouse-sandbox
	$(Q)KEYHOUSE=$(B)/keyhouse $(PYTEST) -n 4 test/e2e $(patsubst %,--ignore=%,$(ROUNDS) $(ALONE)) --deselect '$(CANARY_TLS)'
	$(Q)KEYHOUSE=$(B)/keyhouse $(PYTEST) $(ALONE)

e2e-rounds: $(B)/keyhouse $(B)/keyhouse-sandbox
	$(Q)KEYHOUSE=$(B)/keyhouse $(PYTEST) -n 3 $(ROUNDS) '$(CANARY_TLS)'

# The power cut under the store as it is, and as it is with a small log, and every kind of call of the disk failing; the same
# over stores of which one rule was broken, where a loss must be found. CUTS for each, of EVERY so many calls one.
CUTS ?= 250
EVERY ?= 53
CUT = $(patsubst %,$(B)/test/crash/%.o,disk ledger load)
BREAKS_normal = db
BREAKS_early = writer
BREAKS_retry = writer
BREAKS_small = writer
without = $(filter-out $(B)/store/$(BREAKS_$(1)).o,$(STORE)) $(B)/test/crash/store-$(1).o

$(patsubst %,$(B)/test/crash/store-%.c,normal early retry small): $(B)/test/crash/store-%.c: test/crash/break-store.sh store/db.c store/writer.c
	@mkdir -p $(@D)
	$(call say,BREAK,$@)sh $< $* $@

$(B)/test/crash/powercut: $(B)/test/crash/powercut.o $(CUT) $(STORE)
	$(call say,LINK,$@)$(LINK) -o $@ $^ $(LIBS)

define cut_rule
$(B)/test/crash/$(1)-$(2): $(B)/test/crash/$(1).o $(CUT) $(call without,$(2))
	$$(call say,LINK,$$@)$$(LINK) -o $$@ $$^ $$(LIBS)
endef
$(foreach b,normal early small,$(eval $(call cut_rule,powercut,$(b))))
$(foreach b,retry small,$(eval $(call cut_rule,badcalls,$(b))))

$(B)/test/crash/baddisk.so: test/crash/baddisk.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) -std=c17 -D_GNU_SOURCE $(WARN) -O2 -shared -fPIC -o $@ $<

powercut: $(patsubst %,$(B)/test/crash/%,powercut powercut-small powercut-normal powercut-early badcalls-small badcalls-retry)
	$(Q)printf '%s\n' 'badcalls-small $(EVERY)' 'powercut --cuts $(CUTS)' 'powercut-small --cuts $(CUTS)' \
		'powercut-normal --must-lose' 'powercut-early --must-lose' 'badcalls-retry --must-fail' | xargs -P 2 -I T sh -c \
		'$(B)/test/crash/T >"$(B)/test/crash/T.log" 2>&1; code=$$?; cat "$(B)/test/crash/T.log"; [ $$code = 0 ] || { echo "FAILED T"; exit 1; }'

# Roles and the whole group killed at random under load. With KH_SLOW=1 also what takes minutes: a start behind a million
# rows that wait, a database that others lock for long.
KH_ROUNDS ?= 18
crash: $(B)/keyhouse $(B)/keyhouse-sandbox $(B)/test/crash/baddisk.so powercut
	$(Q)KH_ROUNDS=$(KH_ROUNDS) KEYHOUSE=$(B)/keyhouse $(PYTEST) -s test/crash

# Cloud API clients from their own packages, and Meta's and 360dialog's commands, through Keyhouse; DIRECT=1: against the
# sandbox itself. Installed by npm below $(B), from a lock file that names no registry.
deps-clients: deps-test
	$(if $(shell command -v npm),,$(call install_packages,nodejs npm))

$(B)/clients/node_modules/.package-lock.json: test/clients/package.json test/clients/package-lock.json | deps-clients
	@mkdir -p $(B)/clients
	$(Q)cp test/clients/package.json test/clients/package-lock.json $(B)/clients
	$(call say,NPM,$(B)/clients)cd $(B)/clients && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error >npm.log 2>&1 || { cat npm.log; exit 1; }

test-clients: $(B)/keyhouse $(B)/keyhouse-sandbox $(B)/clients/node_modules/.package-lock.json
	$(Q)KEYHOUSE=$(B)/keyhouse CLIENTS=$(B)/clients $(PYTHON) -B test/clients/run.py $(if $(DIRECT),--direct)

# Figures beside those of an empty handler of the same CivetWeb: printed, never a reason to fail.
$(B)/test/bench/empty: $(B)/test/bench/empty.o $(HTTP)
	$(call say,LINK,$@)$(LINK) -o $@ $^ $(LIBS)

$(B)/test/bench/load: $(B)/test/bench/load.o $(B)/test/bench/requests.o
	$(call say,LINK,$@)$(LINK) -o $@ $^ -lssl -lcrypto

$(B)/test/bench/vault: $(B)/test/bench/vault.o $(VAULT)
	$(call say,LINK,$@)$(LINK) -o $@ $^ $(LIBS)

bench: deps-test $(B)/keyhouse $(B)/keyhouse-sandbox $(B)/test/bench/empty $(B)/test/bench/load $(B)/test/bench/vault
	$(Q)KEYHOUSE=$(B)/keyhouse $(PYTHON) -B test/bench/bench.py $(BENCH)
	$(Q)KEYHOUSE=$(B)/keyhouse $(PYTHON) -B test/bench/rotation.py
	$(Q)KEYHOUSE=$(B)/keyhouse $(PYTHON) -B test/bench/inbound.py
	$(Q)KEYHOUSE=$(B)/keyhouse $(PYTHON) -B test/bench/outbound.py

# The way of a message and everything malformed, under the sanitizers. Leaks are looked for by the unit tests: the leak
# checker needs ptrace, which the roles' filters rightly kill.
SANITIZED ?= way refusals 360dialog platform two_providers idempotency sandbox sandbox_api sandbox_front settings admin health
e2e-sanitized:
	$(Q)$(MAKE) --no-print-directory SAN=address,undefined B=build/asan all
	$(Q)KH_SKIP_MEMORY=1 KEYHOUSE=build/asan/keyhouse ASAN_OPTIONS=detect_leaks=0 $(PYTEST) $(patsubst %,test/e2e/test_%.py,$(SANITIZED))

# The sandbox under the thread sanitizer, whose report is its exit status. Where it ends over what is under way, threads are left.
sandbox-threads: $(B)/keyhouse
	$(Q)$(MAKE) --no-print-directory CC=clang SAN=thread B=build/tsan build/tsan/keyhouse-sandbox
	$(Q)TSAN_OPTIONS=report_thread_leaks=0 KEYHOUSE=$(B)/keyhouse KEYHOUSE_SANDBOX=build/tsan/keyhouse-sandbox $(PYTEST) test/e2e/test_sandbox.py test/e2e/test_sandbox_api.py test/e2e/test_sandbox_front.py

.PHONY: powercut unit replay fuzz check format test test-slow e2e e2e-rounds crash bench e2e-sanitized sandbox-threads deps-clients test-clients
