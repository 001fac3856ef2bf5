# Keyhouse. `make run` shows it; `make` builds build/keyhouse; `make test` installs what is missing, builds and proves it.
#
#   make            make run         make test        make test-slow        make install PREFIX=/usr/local DESTDIR=
#   make V=1        make deps        make check       make fuzz             make bench       make clean
#   make SAN=address,undefined B=build/asan            a build with sanitizers, in a directory of its own

B ?= build
PREFIX ?= /usr/local
DESTDIR ?=
SAN ?=
PYTHON ?= /usr/bin/python3

PACKAGES = gcc libc6-dev make dpkg-dev xz-utils libsqlite3-dev libsodium-dev libcurl4-openssl-dev libcjson-dev libssl-dev \
	libseccomp-dev libqrencode-dev
TEST_PACKAGES = git libcmocka-dev python3-pytest python3-pytest-xdist clang clang-format libclang-rt-14-dev openssl curl procps slowhttptest \
	python3-selenium chromium chromium-driver python3-pil python3-pyzbar

WARN = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wconversion -Wvla -Wformat=2 -Wswitch-enum
ifdef CI
WARN += -Werror
endif
HARDEN = -fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE
OPTIMIZE = -O2 -g
ifneq ($(SAN),)
HARDEN = -fPIE -fno-omit-frame-pointer -fsanitize=$(SAN) -fno-sanitize-recover=undefined
OPTIMIZE = -O1 -g
else
HARDEN += -D_FORTIFY_SOURCE=2
endif
# A forbidden system call says its name before it kills: with DEBUG=1 B=build/debug, and with sanitizers.
ifneq ($(SAN)$(DEBUG),)
HARDEN += -DKEYHOUSE_DEBUG
endif
CFLAGS ?= $(OPTIMIZE)
BASE = -std=c17 -D_GNU_SOURCE -I. -I$(B) -MMD -MP $(HARDEN) $(CFLAGS)
LINK = $(CC) $(HARDEN) $(CFLAGS) $(LDFLAGS) -pie -Wl,-z,relro,-z,now
LIBS = -lcurl -lssl -lcrypto -lsqlite3 -lsodium -lcjson -lseccomp -lqrencode -lpthread -ldl

ifeq ($(V),1)
Q =
say =
else
Q = @
say = @printf '  %-5s %s\n' $(1) $(2);
endif

# ---------------------------------------------------------------- sources: a folder, a module
folder = $(patsubst %.c,$(B)/%.o,$(wildcard $(1)/*.c))
VAULT = $(call folder,vault)
STORE = $(call folder,store) $(B)/store/migrations.o
HTTP = $(call folder,gateway/http)
REPLY = $(call folder,gateway/reply)
OUTBOUND = $(call folder,gateway/outbound)
INBOUND = $(call folder,gateway/inbound)
FRONT = $(call folder,gateway/front)
CONNECT = $(call folder,gateway/connect)
API = $(call folder,gateway/api) $(B)/gateway/api/openapi.o
SETTINGS = $(call folder,gateway/settings) $(B)/gateway/settings/assets.o
ASSETS = $(sort $(wildcard gateway/settings/assets/*))
ROOT = $(filter-out $(B)/gateway/main.o,$(call folder,gateway))
SANDBOX = $(call folder,examples/sandbox) $(B)/examples/sandbox/assets.o
PAGE = $(sort $(wildcard $(addprefix examples/sandbox/phone*.,html css js)))
ALL = $(ROOT) $(SETTINGS) $(API) $(FRONT) $(INBOUND) $(CONNECT) $(REPLY) $(OUTBOUND) $(HTTP) $(STORE) $(VAULT)

DEPS = build/.deps

all: $(B)/keyhouse $(B)/keyhouse-sandbox

$(B)/keyhouse: $(B)/gateway/main.o $(ALL)
	$(call say,LINK,$@)$(LINK) -o $@ $^ $(LIBS)

$(B)/keyhouse-sandbox: $(SANDBOX) $(HTTP) $(B)/gateway/json.o
	$(call say,LINK,$@)$(LINK) -o $@ $^ $(LIBS)

$(B)/%.o: %.c | $(DEPS)
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(BASE) $(WARN) -c -o $@ $<

# what is made from files that are not C
$(B)/%.o: $(B)/%.c
	$(call say,CC,$<)$(CC) $(BASE) $(WARN) -c -o $@ $<

$(B)/store/migrations.c: store/embed.sh $(wildcard migrations/*.sql)
	@mkdir -p $(@D)
	$(call say,EMBED,migrations)sh store/embed.sh $@ $(sort $(wildcard migrations/*.sql))

$(B)/gateway/api/openapi.c: gateway/api/embed.sh gateway/api/openapi.yaml
	@mkdir -p $(@D)
	$(call say,EMBED,gateway/api/openapi.yaml)sh gateway/api/embed.sh $@ gateway/api/openapi.yaml

$(B)/gateway/settings/assets.c: gateway/settings/embed.sh $(ASSETS)
	@mkdir -p $(@D)
	$(call say,EMBED,gateway/settings/assets)sh gateway/settings/embed.sh $@ $(ASSETS)

$(B)/examples/sandbox/assets.c: examples/sandbox/embed.sh $(PAGE)
	@mkdir -p $(@D)
	$(call say,EMBED,examples/sandbox/phone)sh examples/sandbox/embed.sh $@ $(PAGE)

# ---------------------------------------------------------------- CivetWeb, from Debian's pinned source
CIVETWEB = $(B)/civetweb/civetweb.c
CIVETWEB_TAR = build/civetweb_1.15+dfsg.orig.tar.xz
CIVETWEB_FLAGS = -isystem $(B)/civetweb -DNO_SSL_DL -DOPENSSL_API_3_0 -DUSE_STACK_SIZE=524288 -DUSE_IPV6 -DUSE_X_DOM_SOCKET \
	-DNO_FILES -DNO_CGI -DNO_CACHING

$(CIVETWEB_TAR): | $(DEPS)
	@mkdir -p build
	$(call say,FETCH,$@)sh gateway/http/fetch-civetweb.sh build

$(CIVETWEB): $(CIVETWEB_TAR) gateway/http/mend-civetweb.sh
	@mkdir -p $(B)/civetweb-src
	$(call say,MEND,$@)tar -xJf $< -C $(B)/civetweb-src --strip-components=1 && \
		sh gateway/http/mend-civetweb.sh $(B)/civetweb-src $(B)/civetweb

$(HTTP): BASE += $(CIVETWEB_FLAGS)
$(HTTP): | $(CIVETWEB)
$(B)/gateway/http/engine.o: $(CIVETWEB)

# ---------------------------------------------------------------- how it is proven
include test/test.mk

# ---------------------------------------------------------------- try it: two demo shops on the sandbox
run: | deps-run
	$(Q)$(MAKE) --no-print-directory -j2 all
	$(Q)B=$(B) PORT=$(PORT) SANDBOX_PORT=$(SANDBOX_PORT) DEMO_DIR="$(DEMO_DIR)" sh examples/demo/run.sh

# ---------------------------------------------------------------- what the machine needs
# Debian packages: installed as root or through sudo, else the one command to run is said.
define install_packages
	$(Q)missing=; for p in $(1); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then \
		root=; [ "$$(id -u)" = 0 ] || root='sudo -n'; \
		echo "  installing$$missing"; \
		$$root env DEBIAN_FRONTEND=noninteractive sh -c 'apt-get -qq update && apt-get -qq install -y --no-install-recommends "$$@" >/dev/null' sh $$missing || \
		{ echo "These packages are missing; run: sudo apt-get install$$missing" >&2; exit 1; }; \
	fi
endef

build/.deps:
	@mkdir -p build
	$(call install_packages,$(PACKAGES))
	@touch $@

deps: build/.deps
deps-run: deps
	$(call install_packages,curl ca-certificates)
deps-test: deps
	$(call install_packages,$(TEST_PACKAGES))

install: $(B)/keyhouse
	install -D -m 755 $(B)/keyhouse $(DESTDIR)$(PREFIX)/bin/keyhouse

clean:
	rm -rf build

-include $(shell find $(B) -name '*.d' 2>/dev/null)
.PHONY: all run deps deps-run deps-test install clean
.SECONDARY:
.DELETE_ON_ERROR:
